"""From the promoted version to a service: its Bento, and one forecast asked of it."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from commands.console import say
from commands.steps import progress
from ml_assets.core.errors import RegistryError
from ml_assets.resources.promotions import promotion_metrics
from ml_assets.resources.registry import ModelRegistry
from ml_assets.resources.version_files import RegisteredVersion
from ml_assets.settings import Settings
from serving.release.packaging import BuiltBento, build_bento
from serving.release.probe import probe_bento
from serving.runtime.release_notes import ReleaseNotes

SHOWN = 6


def promoted(model: str, settings: Settings) -> RegisteredVersion:
    """The version in production.

    Raises:
        RegistryError: There is none.
    """
    registry = _registry(settings)
    version = registry.by_alias(model, "production")
    if version is None:
        live = [name for name, number in registry.models().items() if number is not None]
        raise RegistryError(
            f"no version of the model {model!r} is in production; there is one of "
            f"{', '.join(live) or 'no model yet'}. `make run MODEL=...` trains and promotes one"
        )
    return version


def build(version: RegisteredVersion, settings: Settings) -> BuiltBento:
    """Builds the Bento of a version."""
    with progress("bento", f"building {version.label}"), TemporaryDirectory() as scratch:
        bundle = _registry(settings).bundle(version, Path(scratch))
        return build_bento(
            bundle,
            version=str(version.version),
            created=version.created,
            bento_home=settings.bento_home,
            notes=ReleaseNotes(metrics=promotion_metrics(version.tags)),
        )


def ask_one_forecast(bento: BuiltBento, version: RegisteredVersion, settings: Settings) -> None:
    """Serves the Bento for a moment, asks it the version's example, and prints the answer."""
    request = _registry(settings).example(version)
    with progress("answer", f"asking {bento.tag} one question"):
        answer = probe_bento(bento.tag, request.data, bento_home=settings.bento_home)
    say(title="\nOne answer", text=f" of {bento.tag}, served by BentoML for this moment")
    for line in _lines(answer):
        say(f"  {line}")


def _registry(settings: Settings) -> ModelRegistry:
    return ModelRegistry(tracking_uri=settings.tracking_uri)


def _lines(answer: Mapping[str, Any]) -> list[str]:
    first = answer["predictions"][0]
    if not isinstance(first, dict):
        return [f"{position}: {value}" for position, value in enumerate(answer["predictions"])]
    values = ", ".join(f"{value:.2f}" for value in first["values"][:SHOWN])
    until = f"{len(first['values'])} values until {first['timestamps'][-1]}"
    entity = "" if first["entity"] is None else f"{first['entity']}, "
    return [f"{entity}from {first['origin']}: {values}, ... ({until})"]
