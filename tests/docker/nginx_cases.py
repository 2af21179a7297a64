"""nginx in a container without rights, as docker-compose.yml runs it, in a network of its own."""

import http.client
import json
import socket
import ssl
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from serving.release.probe import free_ports
from tests.conftest import ROOT
from tests.docker.engine import engine
from tests.docker.image_cases import FAMILY
from tests.docker.platform import until

IMAGE = "nginx:1.28.0-bookworm"
UPSTREAM_IMAGE = "python:3.11.14-slim-bookworm"
UPSTREAM = ROOT / "tests" / "docker" / "nginx_upstream.py"
HARDENED = (
    "--read-only",
    "--tmpfs=/tmp:mode=1777,size=256m",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--user=101:101",
    f"--volume={ROOT}/docker/nginx:/etc/nginx/platform:ro",
)
START = ("--entrypoint=sh", IMAGE, "/etc/nginx/platform/start")
PASSWORD = uuid.uuid4().hex
SETTINGS = {"APP_ENV": "production", "MLFLOW_UI_PASSWORD": PASSWORD}
API, API_TLS, UI, STATUS = PORTS = 8080, 8443, 8081, 8082
SECONDS = 15


@dataclass(frozen=True)
class Answer:
    """What came back: headers in the order in which they came, names in small letters."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The one value of a header; None if it is not there."""
        found = [value for key, value in self.headers if key == name]
        assert len(found) <= 1, f"{name} is there {len(found)} times"
        return found[0] if found else None

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class NginxCase:
    """A running nginx.

    Attributes:
        network: Where the services are that it asks.
        container: Its id.
        ports: On loopback, by the port inside.
    """

    network: str
    container: str
    ports: Mapping[int, int]

    def connection(self, port: int = API) -> http.client.HTTPConnection:
        if port == API_TLS:
            context = ssl._create_unverified_context()  # noqa: S323  its certificate is its own
            return http.client.HTTPSConnection(
                "127.0.0.1", self.ports[port], timeout=SECONDS, context=context
            )
        return http.client.HTTPConnection("127.0.0.1", self.ports[port], timeout=SECONDS)

    def ask(
        self,
        path: str,
        *,
        port: int = API,
        method: str = "GET",
        body: bytes | str | None = None,
        **headers: str,
    ) -> Answer:
        """The answer to one request; underscores in names of headers stand for hyphens."""
        connection = self.connection(port)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            return answer_on(connection)
        finally:
            connection.close()

    def open(self, port: int = API) -> socket.socket:
        """A connection on which nothing was said yet."""
        return socket.create_connection(("127.0.0.1", self.ports[port]), SECONDS)

    def log(self) -> list[dict[str, Any]]:
        """Its access log."""
        return [json.loads(line) for line in self._logs().stdout.splitlines()]

    def log_of_errors(self) -> str:
        """What it says besides."""
        return self._logs().stderr

    def restart(self) -> None:
        """Ends nginx and starts it again, on the same ports."""
        engine("restart", "--time", "5", self.container)
        self.await_up()

    def await_up(self) -> None:
        """Waits until it answers."""
        until(self._is_up, seconds=SECONDS, what="nginx")

    def _is_up(self) -> bool:
        shown = engine("inspect", "--format={{.State.Running}}", self.container)
        assert shown == "true", self._logs().stderr
        return self.ask("/health", port=UI).status == 200

    def _logs(self) -> subprocess.CompletedProcess[str]:
        command = ["docker", "logs", self.container]
        return subprocess.run(command, capture_output=True, text=True, check=True)

    @contextmanager
    def upstream(self, *aliases: str, command: str = "") -> Iterator[str]:
        """A container that stands in for what is behind nginx, under these names."""
        named = [f"--network-alias={alias}" for alias in aliases]
        container = engine(
            *("run", "--detach", f"--network={self.network}", *named, "--read-only"),
            *(
                f"--volume={UPSTREAM}:/upstream.py:ro",
                UPSTREAM_IMAGE,
                "python",
                "/upstream.py",
                command,
            ),
        )
        try:
            yield container
        finally:
            engine("rm", "--force", "--volumes", container)


def answer_on(connection: http.client.HTTPConnection) -> Answer:
    """The answer to what a connection has asked."""
    response = connection.getresponse()
    headers = [(name.lower(), value) for name, value in response.getheaders()]
    return Answer(response.status, headers, response.read())


def new_key() -> Mapping[str, str]:
    """A key that nothing was asked with: what one test asks does not count for another."""
    return {"Authorization": f"Bearer {uuid.uuid4().hex}"}


@contextmanager
def running_nginx(*options: str, **settings: str) -> Iterator[NginxCase]:
    """An nginx that is up, alone in its network, until the block ends."""
    network = f"{FAMILY}-nginx-{uuid.uuid4().hex[:8]}"
    environment = [f"--env={name}={value}" for name, value in {**SETTINGS, **settings}.items()]
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    published = [f"--publish=127.0.0.1:{out}:{port}" for port, out in ports.items()]
    with ExitStack() as cleanup:
        engine("network", "create", network)
        cleanup.callback(engine, "network", "rm", network)
        container = engine(
            *("run", "--detach", f"--network={network}", f"--name={network}", *HARDENED),
            *("--volume=/var/tmp", *published, *environment, *options, *START),
        )
        cleanup.callback(engine, "rm", "--force", "--volumes", container)
        case = NginxCase(network, container, ports)
        case.await_up()
        yield case


def refused_start(*options: str, **settings: str) -> str:
    """What nginx says when it does not start."""
    name = f"{FAMILY}-nginx-{uuid.uuid4().hex[:8]}"
    environment = [f"--env={name}={value}" for name, value in settings.items()]
    command = ("docker", "run", f"--name={name}", "--network=none", *HARDENED, "--volume=/var/tmp")
    try:
        ended = subprocess.run(
            [*command, *environment, *options, *START],
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    finally:
        engine("rm", "--force", "--volumes", name)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    (said,) = ended.stderr.splitlines()
    return said


def await_status(case: NginxCase, path: str, status: int = 200, *, port: int = API) -> None:
    """Waits until nginx answers so."""
    until(
        lambda: case.ask(path, port=port).status == status,
        seconds=60,
        what=f"status {status} of {path}",
    )
