"""Jobs of the code location `release` on one version of a model, launched and followed."""

import argparse
import os
import re
from collections.abc import Mapping

from commands.console import say
from commands.following import follow, run_page
from commands.platform import DEFAULT_URL, Platform
from ml_assets.core.errors import RegistryError
from ml_assets.resources.registry import ModelRegistry
from ml_assets.resources.version_files import RegisteredVersion
from ml_assets.settings import Settings
from serving.release.partitions import MODEL_VERSIONS, partition_key, run_tags

LOCATION = "release"


def version_number(text: str) -> int:
    """A version as people type it, ``3`` or ``v3``; for argparse.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    found = re.fullmatch(r"v?([1-9]\d*)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a version such as 3 or v3")
    return int(found[1])


def version_of(model: str, number: int) -> RegisteredVersion:
    """A version of a model.

    Raises:
        RegistryError: There is none.
    """
    return _registry().version(model, number)


def live_version(model: str, *, advice: str) -> RegisteredVersion:
    """The version of a model that is in production.

    Args:
        model: Its name.
        advice: What to do where there is none.

    Raises:
        RegistryError: There is none.
    """
    registry = _registry()
    if (live := registry.by_alias(model, "production")) is not None:
        return live
    known = registry.models()
    others = f" (MLflow has {', '.join(known)})" if known and model not in known else ""
    raise RegistryError(f"no version of {model!r} is in production{others}; {advice}")


def run_on(
    version: RegisteredVersion, job: str, *, config: Mapping[str, object] | None = None
) -> None:
    """Launches a job on a version and follows it to its end.

    Raises:
        RunFailedError: The run failed or was cancelled.
        PlatformError: The platform is out of reach, or refuses.
    """
    platform = Platform(os.environ.get("DAGSTER_URL") or DEFAULT_URL)
    run = launch_on(version, job, config or {}, platform=platform)
    say(title=f"{job} of {version.label}", text=f"  {run_page(platform, run)}")
    follow(platform, run)


def launch_on(
    version: RegisteredVersion, job: str, config: Mapping[str, object], *, platform: Platform
) -> str:
    """Launches a job on a version, even one that the sensor never saw; returns the run's id.

    Raises:
        PlatformError: The platform is out of reach, or refuses.
    """
    key = partition_key(version.name, version.version)
    platform.add_partition(str(MODEL_VERSIONS.name), key, location=LOCATION)
    tags = run_tags(version.name, version.version)
    return platform.launch(job, config, location=LOCATION, tags=tags)


def _registry() -> ModelRegistry:
    return ModelRegistry(tracking_uri=Settings.from_environment().tracking_uri)
