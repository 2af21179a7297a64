"""The Docker Engine, asked through its command line."""

import os
import re
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import AliasPath, Field

from serving.release.documents import Labels, PartOfDocument
from serving.runtime.errors import MLAssetsError

PATIENCE_SECONDS = 900
LAST_LINES = 5


class EngineError(MLAssetsError):
    """The Docker Engine can't do what it was asked; the message has its last lines."""


class GoneError(EngineError):
    """The engine does not have the image, container or network."""


class _Reason(NamedTuple):
    """What words of the engine mean to people."""

    said: str
    meaning: str
    kind: type[EngineError] = EngineError


_REASONS = (
    _Reason(
        r"cannot connect to the docker daemon|failed to connect to the docker api"
        r"|error during connect|docker daemon socket",
        "the Docker Engine is out of reach; check that it runs, and that this user may use it",
    ),
    _Reason(
        r"no space left on device|disk quota exceeded",
        "the engine's disk is full; make room, for instance with docker system prune",
    ),
    _Reason(
        r"no such (image|container|network|object)|network \S+ not found|removal of .* in progress",
        "it is not there, or no longer",
        GoneError,
    ),
    _Reason(
        r"unauthorized|authentication required|no basic auth|access to the resource is denied",
        "the registry does not let you in; try docker login",
    ),
    _Reason(
        r"dial tcp|i/o timeout|connection refused|http response to https|tls: |bad gateway",
        "the registry is out of reach; check its address, and that it runs",
    ),
)
_UNKNOWN = _Reason("", "it has failed")


class ImageDetails(PartOfDocument):
    """An image that the engine has.

    Attributes:
        id: Its digest, ``sha256:...``.
        labels: Its labels.
        layers: Digests of its layers, lowest first.
    """

    id: str = Field(validation_alias="Id")
    labels: Labels = Field(validation_alias=AliasPath("Config", "Labels"), default={})
    layers: list[str] = Field(validation_alias=AliasPath("RootFS", "Layers"))


def docker(*arguments: str) -> str:
    """Runs the command line `docker`, without a shell.

    Args:
        arguments: What stands after `docker`; nothing secret, as other processes can read it.

    Returns:
        What it prints, without white space around it.

    Raises:
        GoneError: The engine does not have the image, container or network.
        EngineError: It refuses, is out of reach, or has not ended after 15 minutes.
    """
    ended = _run(arguments)
    if ended.returncode != 0:
        raise _error(arguments, ended.stderr or ended.stdout)
    return ended.stdout.strip()


def image_size(image: str) -> int:
    """Size of an image, in bytes.

    Raises:
        GoneError: The engine does not have it.
        EngineError: The engine is out of reach.
    """
    return int(docker("image", "inspect", "--format={{.Size}}", image))


def logs(container: str, *, lines: int) -> str:
    """The last lines that a container has printed, on either of its outputs.

    Raises:
        EngineError: The engine does not have the container, or is out of reach.
    """
    arguments = ("container", "logs", "--tail", str(lines), container)
    ended = _run(arguments)
    if ended.returncode != 0:
        raise _error(arguments, ended.stderr)
    return (ended.stdout + ended.stderr).strip()


def inspect_image(name: str) -> ImageDetails:
    """The image of a name or an id.

    Raises:
        GoneError: The engine has none.
        EngineError: The engine is out of reach.
    """
    found = docker("image", "inspect", "--format", "{{json .}}", name)
    return ImageDetails.model_validate_json(found)


def find_image(name: str) -> ImageDetails | None:
    """The image of a name or an id; None if the engine has none.

    Raises:
        EngineError: The engine is out of reach.
    """
    try:
        return inspect_image(name)
    except GoneError:
        return None


def _run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603  no shell, and arguments of ours
            ["docker", *arguments],  # noqa: S607  the one on the user's PATH
            env={**os.environ, "DOCKER_CLI_HINTS": "false"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except OSError as error:
        raise EngineError(
            f"the command docker can't be run ({error.strerror}); install Docker's command line"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise EngineError(
            f"{_title(arguments)} has not ended after {PATIENCE_SECONDS} s; look at the engine"
        ) from error


def _error(arguments: Sequence[str], output: str) -> EngineError:
    found = (one for one in _REASONS if re.search(one.said, output, re.IGNORECASE))
    reason = next(found, _UNKNOWN)
    last = "\n".join(output.strip().splitlines()[-LAST_LINES:])
    return reason.kind(f"{_title(arguments)}: {reason.meaning}. Its last lines:\n{last}")


def _title(arguments: Sequence[str]) -> str:
    """The command in a message, without its options, which are long."""
    return " ".join(("docker", *arguments[:2]))
