"""A container of one of our images, with few rights, for work on volumes and looks at networks."""

import csv
import io
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType

from operations.command import docker
from operations.errors import CommandError

READER = ("DAC_READ_SEARCH", "SETGID", "SETUID")
"""To read what is anybody's, and to open each database as its owner."""
WRITER = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID")
VOLUME, SCRATCH = "/volume", "/scratch"
ROOT = "0:0"


@dataclass(frozen=True)
class Content:
    """What is in a volume.

    Attributes:
        bytes: Of all its files.
        names: Some of what lies at its top; none if it is empty.
    """

    bytes: int
    names: Sequence[str]


@dataclass(frozen=True)
class HostPath:
    """A directory or file of this host that a helper sees.

    Attributes:
        path: Where it is.
        target: Where the helper sees it.
        is_written: Whether the helper may write it.
    """

    path: str
    target: str
    is_written: bool = False

    @property
    def mount(self) -> str:
        """How `docker run --mount` is told."""
        fields = ["type=bind", f"source={self.path}", f"target={self.target}"]
        # The engine reads a line of CSV, so that a path may have commas and quotes.
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(
            fields if self.is_written else [*fields, "readonly"]
        )
        return line.getvalue()


@dataclass(frozen=True)
class Helper:
    """Who works on volumes, and looks at the rest as services see it.

    Attributes:
        image: An image with Python.
        platform: The name of the platform, which begins the names of the containers.
        network: The network that it is in.
        user: Who it is.
        groups: Groups that it has besides.
    """

    image: str
    platform: str
    network: str = "none"
    user: str = ROOT
    groups: Sequence[str] = ()

    @contextmanager
    def command(
        self,
        name: str,
        *arguments: str,
        volumes: Mapping[str, str] = MappingProxyType({}),
        paths: Sequence[HostPath] = (),
        capabilities: Sequence[str] = (),
    ) -> Iterator[list[str]]:
        """The command line that runs a script of operations/inside; what it leaves is removed.

        Args:
            name: Name of the script.
            arguments: Its arguments.
            volumes: Where volumes are mounted, by their names.
            paths: What it sees of this host.
            capabilities: What its root may do.
        """
        container = f"{self.platform}-helper-{secrets.token_hex(4)}"
        try:
            yield [
                *("docker", "run", "--rm", "--interactive", f"--name={container}", "--pull=never"),
                *(*self._rights, *(f"--cap-add={one}" for one in capabilities)),
                f"--volume={SCRATCH}",
                *(f"--mount=type=volume,source={one},target={at}" for one, at in volumes.items()),
                *(f"--mount={one.mount}" for one in paths),
                *("--entrypoint=python3", self.image, "-c", script(name), *arguments),
            ]
        except BaseException:
            _remove(container)
            raise

    @property
    def _rights(self) -> list[str]:
        return [
            *("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
            *(f"--network={self.network}", f"--user={self.user}"),
            *(f"--group-add={one}" for one in self.groups),
        ]

    def measure(self, volumes: Mapping[str, str]) -> dict[str, Content]:
        """How much is in volumes, by their keys.

        Args:
            volumes: Names of the volumes, by their keys.

        Raises:
            CommandError: The engine does not let us.
        """
        if not volumes:
            return {}
        places = {name: f"{VOLUME}/{key}" for key, name in volumes.items()}
        with self.command(
            "measure", *places.values(), volumes=places, capabilities=READER
        ) as command:
            told = json.loads(docker(*command[1:], seconds=600))
        return {key: Content(**told[f"{VOLUME}/{key}"]) for key in volumes}


def _remove(container: str) -> None:
    """Removes a container with its scratch, if it is there."""
    try:
        docker("rm", "--force", "--volumes", container)
    except CommandError:
        return


def script(name: str) -> str:
    """The text of a script of operations/inside."""
    return files("operations.inside").joinpath(f"{name}.py").read_text(encoding="utf-8")


def existing_volumes(volumes: Mapping[str, str]) -> dict[str, str]:
    """Those of some volumes that are there, by their keys.

    Raises:
        CommandError: The engine does not answer.
    """
    there = set(docker("volume", "ls", "--format", "{{.Name}}").split())
    return {key: name for key, name in volumes.items() if name in there}
