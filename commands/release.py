"""From the promoted version to a service: its Bento, and one forecast asked of it."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from commands.console import say
from commands.progress import progress
from ml_assets.resources.registry import ModelRegistry
from ml_assets.settings import Settings
from serving.release.packaging import BuiltBento, build_bento
from serving.release.probe import probe_bento

SHOWN = 6


def build_promoted(model: str, settings: Settings) -> BuiltBento:
    """Builds the Bento of the version in production.

    Raises:
        RegistryError: No version is in production.
    """
    registry = ModelRegistry(tracking_uri=settings.tracking_uri)
    version = registry.require(model, "production")
    with progress("bento", f"building {version.label}"), TemporaryDirectory() as scratch:
        bundle = registry.bundle(version, Path(scratch))
        return build_bento(bundle, version=str(version.version), bento_home=settings.bento_home)


def ask_one_forecast(bento: BuiltBento, model: str, settings: Settings) -> None:
    """Serves the Bento for a moment, asks it the version's example, and prints the answer."""
    registry = ModelRegistry(tracking_uri=settings.tracking_uri)
    request = registry.example(registry.require(model, "production"))
    with progress("answer", f"asking {bento.tag} one question"):
        answer = probe_bento(bento.tag, request.data, bento_home=settings.bento_home)
    say(title="\nOne answer", text=f" of {bento.tag}, served by BentoML for this moment")
    for line in _lines(answer):
        say(f"  {line}")


def _lines(answer: Mapping[str, Any]) -> list[str]:
    first = answer["predictions"][0]
    if not isinstance(first, dict):
        return [f"{position}: {value}" for position, value in enumerate(answer["predictions"])]
    values = ", ".join(f"{value:.2f}" for value in first["values"][:SHOWN])
    until = f"{len(first['values'])} values until {first['timestamps'][-1]}"
    entity = "" if first["entity"] is None else f"{first['entity']}, "
    return [f"{entity}from {first['origin']}: {values}, ... ({until})"]
