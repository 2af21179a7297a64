"""Containers that watch and are watched, on a network of their own, by the names of Compose."""

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.docker import compose_service
from tests.docker.engine import engine
from tests.docker.platform import until

PYTHON = "python:3.11.14-slim-bookworm"


@dataclass
class Site:
    """A network and the containers in it.

    Attributes:
        name: Its name, and the beginning of those of its containers.
        ports: Where each service that was published listens on this machine.
    """

    name: str = field(default_factory=lambda: f"ml-assets-monitoring-{uuid.uuid4().hex[:8]}")
    ports: dict[str, int] = field(default_factory=dict)

    def start(
        self, service: str, image: str, *options: str, command: Sequence[str] = (), port: int = 0
    ) -> str:
        """Starts a container that others call by the service's name; returns its own."""
        name = f"{self.name}-{service}-1"
        labels = {"project": self.name, "service": service, "oneoff": "False"}
        marked = [f"--label=com.docker.compose.{key}={text}" for key, text in labels.items()]
        published = [f"--publish=127.0.0.1::{port}"] if port else []
        net = (f"--network={self.name}", f"--network-alias={service}")
        named = ("run", "--detach", f"--name={name}")
        engine(*named, *net, *marked, *published, *options, image, *command)
        if port:
            self.ports[service] = int(engine("port", name, str(port)).rpartition(":")[2])
        return name

    def start_own(
        self, service: str, *options: str, home: Path | None = None, port: int = 0
    ) -> None:
        """Starts a service as docker-compose.yml has it.

        Args:
            service: Its name.
            options: More options, such as its variables, of which Compose's are not given.
            home: Its configuration, if not that under docker/.
            port: Which of its ports is published.
        """
        image, command = compose_service.image(service), compose_service.command(service)
        given = (*compose_service.options(service, home=home), *options)
        self.start(service, image, *given, command=command, port=port)

    def start_prometheus(self, *options: str, home: Path | None = None) -> None:
        """Starts Prometheus, and waits until it answers."""
        self.start_own("prometheus", *options, home=home, port=9090)
        until(lambda: self.ready("prometheus"), seconds=30, what="Prometheus")

    def start_alertmanager(self, *options: str, home: Path | None = None) -> None:
        """Starts Alertmanager, and waits until it answers."""
        self.start_own("alertmanager", *options, home=home, port=9093)
        until(lambda: self.ready("alertmanager"), seconds=30, what="Alertmanager")

    def start_node_exporter(self) -> None:
        """Starts the node exporter."""
        self.start_own("node-exporter")

    def ready(self, service: str) -> bool:
        """Whether Prometheus or Alertmanager says that it is ready."""
        with urlopen(f"http://127.0.0.1:{self.ports[service]}/-/ready", timeout=5) as reply:
            return bool(reply.status == 200)

    def ask_prometheus(self, path: str, **parameters: str) -> Any:
        """What Prometheus' API answers."""
        url = f"http://127.0.0.1:{self.ports['prometheus']}/api/v1/{path}?{urlencode(parameters)}"
        with urlopen(url, timeout=30) as reply:
            content = json.load(reply)
        assert content["status"] == "success", content
        return content["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now."""
        found: list[dict[str, Any]] = self.ask_prometheus("query", query=expression)["result"]
        return found

    def memory(self) -> str:
        """What each container uses, as the engine tells it."""
        names = engine("ps", "--quiet", f"--filter=network={self.name}").split()
        return engine("stats", "--no-stream", "--format={{.Name}} {{.MemUsage}}", *names)


@contextmanager
def site() -> Iterator[Site]:
    """A network that goes, with all containers in it, when the block ends."""
    case = Site()
    engine("network", "create", case.name)
    try:
        yield case
    finally:
        label = f"--filter=label=com.docker.compose.project={case.name}"
        if containers := engine("ps", "--all", "--quiet", label):
            engine("rm", "--force", "--volumes", *containers.split())
        engine("network", "rm", case.name)
