"""Runs a service's image as a careful customer would: hardened, and on a network without a way out.

Containers and networks carry a label with the process that they are for. What a killed process has
left behind is removed by the next one, and what a living one uses is left alone.
"""

import logging
import os
import re
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from serving.release.engine import GoneError, docker, logs

PORT = 8000
"""What an image listens on unless its variable `PORT` says otherwise."""
OWNER = "ml-assets.proof"
"""Label of a container or network: the host and the process that it is for."""
LOG_LINES = 20
CONTAINER_ID = re.compile("[0-9a-f]{12,64}")
"""The host name of a container, unless it was given another one."""
HARDENED = (
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--user=1000",
    "--memory=2g",
    "--memory-swap=2g",
    "--pids-limit=256",
    "--log-driver=local",
)
"""Options of the container; without swap of its own, and with its log where it can be read."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Isolated:
    """A service in a container that nobody but its owner can reach.

    Attributes:
        container: Its id.
        address: Its address, which this process reaches.
    """

    container: str
    address: str

    def end(self) -> str | None:
        """How it has ended, such as "with exit status 1"; None while it runs.

        Raises:
            EngineError: The engine is out of reach.
        """
        state = _inspect(self.container, "{{.State.Running}} {{.State.ExitCode}}")
        running, status = state.split()
        return None if running == "true" else f"with exit status {status}"

    def says_it_is_healthy(self) -> bool:
        """Whether the image's own health check, which runs inside, finds it well.

        Raises:
            EngineError: The engine is out of reach.
        """
        state = _inspect(self.container, "{{if .State.Health}}{{.State.Health.Status}}{{end}}")
        return state == "healthy"

    def last_lines(self) -> str:
        """The last lines of its log.

        Raises:
            EngineError: The engine is out of reach.
        """
        return logs(self.container, lines=LOG_LINES)


@contextmanager
def isolated(image: str) -> Iterator[Isolated]:
    """Runs an image until the block ends; then the container and its network are removed.

    Args:
        image: Id of the image.

    Raises:
        GoneError: The engine does not have the image.
        EngineError: The engine refuses, or is out of reach.
    """
    remove_leftovers()
    with _network() as network, _joined(network), _running(image, network) as container:
        address = _inspect(
            container, f'{{{{(index .NetworkSettings.Networks "{network}").IPAddress}}}}'
        )
        yield Isolated(container, address)


def remove_leftovers() -> None:
    """Removes the containers and networks of processes that are no longer there.

    Raises:
        EngineError: The engine is out of reach.
    """
    for container in _left_over("container", "ls", "--all"):
        _log.info("removing container %s, which a killed process has left", container)
        _remove_container(container)
    for network in _left_over("network", "ls"):
        _log.info("removing network %s, which a killed process has left", network)
        _remove_network(network)


@contextmanager
def _network() -> Iterator[str]:
    name = f"ml-assets-proof-{uuid.uuid4().hex[:12]}"
    docker("network", "create", "--internal", f"--label={OWNER}={_owner()}", name)
    try:
        yield name
    finally:
        _remove_network(name)


@contextmanager
def _joined(network: str) -> Iterator[None]:
    """Lets this process reach a network: a host does, a container has to be connected to it."""
    container = _own_container()
    if container is not None:
        docker("network", "connect", network, container)
    yield


@contextmanager
def _running(image: str, network: str) -> Iterator[str]:
    options = (f"--network={network}", f"--label={OWNER}={_owner()}", "--pull=never", *HARDENED)
    container = docker("container", "create", *options, image)
    try:
        docker("container", "start", container)
        yield container
    finally:
        _remove_container(container)


def _owner() -> str:
    return f"{socket.gethostname()}/{os.getpid()}"


def _left_over(*listing: str) -> list[str]:
    """Ids of the containers or networks in a listing whose owner is gone."""
    form = f'--format={{{{.ID}}}} {{{{.Label "{OWNER}"}}}}'
    lines = docker(*listing, f"--filter=label={OWNER}", form).splitlines()
    found = (line.split(maxsplit=1) for line in lines)
    return [one for one, owner in found if not _is_alive(owner)]


def _is_alive(owner: str) -> bool:
    """Whether an owner is there; one on a host is believed to be, unless it is this very host."""
    host, _, process = owner.rpartition("/")
    if host == socket.gethostname():
        return Path("/proc", process).exists()
    if CONTAINER_ID.fullmatch(host) is None:
        return True
    with suppress(GoneError):
        return _inspect(host, "{{.State.Running}}") == "true"
    return False


def _own_container() -> str | None:
    """Id of the container that this process runs in, which is its host name there."""
    host = socket.gethostname()
    if CONTAINER_ID.fullmatch(host) is None:
        return None
    with suppress(GoneError):
        return _inspect(host, "{{.Id}}")
    return None


def _inspect(container: str, form: str) -> str:
    return docker("container", "inspect", f"--format={form}", container)


def _remove_container(container: str) -> None:
    """Removes a container, unless someone else is faster."""
    with suppress(GoneError):
        docker("container", "rm", "--force", "--volumes", container)


def _remove_network(network: str) -> None:
    """Removes a network with whatever is still connected to it, unless someone else is faster."""
    with suppress(GoneError):
        members = "{{range $id, $_ := .Containers}}{{$id}} {{end}}"
        for member in docker("network", "inspect", f"--format={members}", network).split():
            docker("network", "disconnect", "--force", network, member)
        docker("network", "rm", network)
