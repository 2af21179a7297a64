"""Service images as BentoML and MLflow build them: the time that takes, and their size."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_assets.resources.version_files import RegisteredVersion
from serving.release.engine import docker, find_image, image_size
from serving.release.packaging import BuiltBento, bentoml_environment

BUILD_SECONDS = 1800
PLAIN = {"BUILDKIT_PROGRESS": "plain"}
_FROM = re.compile(
    r"^#\d+ \[(?:\S+ +)?\d+/\d+\] FROM (?:docker\.io/)?(?:library/)?([^\s@]+)", re.MULTILINE
)
_ERROR = re.compile(r"^ERROR: failed to solve: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class PeerBuild:
    """What came of the build of an image.

    Attributes:
        seconds: How long it took.
        base: The image that it is built on; empty if it did not get that far.
        bytes_on_top: The image's size without its base's, unless it failed.
        failure: The line that says why it failed.
    """

    seconds: float
    base: str = ""
    bytes_on_top: int | None = None
    failure: str = ""


def containerize(bento: BuiltBento, *, home: Path, image: str) -> PeerBuild:
    """The stock `bentoml containerize` of a Bento in the store ``home``."""
    command = [sys.executable, "-m", "bentoml", "containerize", bento.tag, "--image-tag", image]
    return _build(command, {**bentoml_environment(home), **PLAIN}, image=image)


def build_docker(
    version: RegisteredVersion, *, tracking_uri: str, image: str, options: Sequence[str] = ()
) -> PeerBuild:
    """The stock `mlflow models build-docker` of a registered version.

    Args:
        version: The version.
        tracking_uri: Where MLflow's server answers.
        image: Name of the image.
        options: More options, such as ``--env-manager local``, without which MLflow builds on
            Ubuntu and compiles a Python of its own.
    """
    uri = f"models:/{version.name}/{version.version}"
    command = [sys.executable, "-m", "mlflow", "models", "build-docker", "--model-uri", uri]
    environment = {**os.environ, **PLAIN, "MLFLOW_TRACKING_URI": tracking_uri}
    return _build([*command, "--name", image, *options], environment, image=image)


def _build(command: Sequence[str], environment: Mapping[str, str], *, image: str) -> PeerBuild:
    started = time.monotonic()
    ended = subprocess.run(
        command,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        timeout=BUILD_SECONDS,
    )
    seconds, base = time.monotonic() - started, base_of(ended.stdout)
    if ended.returncode != 0 or find_image(image) is None:
        return PeerBuild(seconds, base, failure=last_error(ended.stdout))
    return PeerBuild(seconds, base, image_size(image) - _base_size(base))


def _base_size(base: str) -> int:
    """Size of a base image; a build may have fetched it without a name in the engine."""
    if find_image(base) is None:
        docker("image", "pull", base)
    return image_size(base)


def base_of(output: str) -> str:
    """The first image that a build starts from, as BuildKit tells it; empty if it tells none."""
    found = _FROM.search(output)
    return found[1] if found else ""


def last_error(output: str) -> str:
    """The last line in which BuildKit tells why it gives up; without one, just the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return str((_ERROR.findall(output) or lines or ["it printed nothing"])[-1])
