"""The Docker Engine, asked through its command line."""

import subprocess
from collections.abc import Sequence

from pydantic import AliasPath, Field

from serving.release.command_line import CommandLine, Reason
from serving.release.documents import Labels, PartOfDocument
from serving.runtime.errors import MLAssetsError

PATIENCE_SECONDS = 900


class EngineError(MLAssetsError):
    """The Docker Engine can't do what it was asked; the message has its last lines."""


class GoneError(EngineError):
    """The engine does not have the image, container or network."""


_DOCKER = CommandLine(
    name="docker",
    error=EngineError,
    install="install Docker's command line",
    look_at="the engine",
    last_lines=5,
    reasons=(
        Reason(
            r"cannot connect to the docker daemon|failed to connect to the docker api"
            r"|error during connect|docker daemon socket",
            "the Docker Engine is out of reach; check that it runs, and that this user may use it",
        ),
        Reason(
            r"no space left on device|disk quota exceeded",
            "the engine's disk is full; make room, for instance with docker system prune",
        ),
        Reason(
            r"no such (image|container|network|object)|network \S+ not found"
            r"|removal of .* in progress",
            "it is not there, or no longer",
            GoneError,
        ),
        Reason(
            r"unauthorized|authentication required|no basic auth|access to the resource is denied",
            "the registry does not let you in; try docker login",
        ),
        Reason(
            r"dial tcp|i/o timeout|connection refused|http response to https|tls: |bad gateway",
            "the registry is out of reach; check its address, and that it runs",
        ),
    ),
)


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
    return _run(arguments).stdout.strip()


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
    ended = _run(("container", "logs", "--tail", str(lines), container))
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
    """Runs the command; a message has its first words alone, as its options are long."""
    title = " ".join(("docker", *arguments[:2]))
    quiet = {"DOCKER_CLI_HINTS": "false"}
    return _DOCKER.run(*arguments, title=title, seconds=PATIENCE_SECONDS, environment=quiet)
