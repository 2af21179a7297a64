"""The profile `full`: every service is there, and comes back by itself if its process dies."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from commands.image import reference
from tests.docker.engine import engine
from tests.docker.image_cases import BASE
from tests.docker.platform import PlatformCase, until
from tests.docker.ports import answering_elsewhere, published_ports

pytestmark = pytest.mark.docker

KEEPS_RUNNING = (
    "alertmanager", "api", "api-feast", "code-release", "code-training", "daemon", "feast",
    "metrics", "mlflow", "nginx", "node-exporter", "postgres", "prometheus", "registry",
    "run-keeper",
    "webserver",
)  # fmt: skip
"""All but Grafana, whose image not every host can have."""
BACK_SECONDS = 60
"""How long each may take; as many together take so much longer."""
PUBLISHED = {
    "alertmanager": 1, "api-feast": 1, "feast": 1, "mlflow": 1, "nginx": 3, "postgres": 1,
    "prometheus": 1, "registry": 1, "webserver": 1,
}  # fmt: skip
"""How many ports of each are this machine's too, in a checkout."""

CONNECT = """
import errno, socket, sys
try:
    socket.create_connection((sys.argv[1], 9), timeout=5).close()
except TimeoutError:
    print("TimeoutError")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


@dataclass(frozen=True)
class State:
    """The state of a container.

    Attributes:
        health: Its health check's word.
        restarts: How often the engine started it again.
    """

    health: str
    restarts: int

    @classmethod
    def of(cls, container: str) -> "State":
        """That of a container."""
        [found] = json.loads(engine("inspect", container))
        return cls(found["State"]["Health"]["Status"], found["RestartCount"])


@pytest.fixture(scope="module")
def full() -> Iterator[PlatformCase]:
    """A platform of its own with everything, and a model that is served."""
    platform = PlatformCase.create("ml-assets-full")
    try:
        platform.up()
        platform.wait_for_end(platform.train())
        platform.released("iris:v1")
        full = platform.serving(reference(platform.registry.version("iris", 1).tags))
        full.start("full")
        yield full
    finally:
        platform.remove()


def crash(full: PlatformCase, *services: str) -> None:
    """Ends services at once, as an error would, and waits until the engine has brought them back.

    It is the first process of each that ends; `docker kill` counts as a wish.
    """
    containers = [full.container(service) for service in services]
    before = [State.of(one) for one in containers]
    processes = [engine("inspect", "--format={{.State.Pid}}", one) for one in containers]
    kill = ("--entrypoint=sh", "--user=0", BASE, "-c", f"kill -9 {' '.join(processes)}")
    engine("run", "--rm", "--pid=host", "--privileged", "--network=none", *kill)

    def are_back() -> bool:
        pairs = zip(before, map(State.of, containers), strict=True)
        return all(now.health == "healthy" and now.restarts > old.restarts for old, now in pairs)

    seconds = BACK_SECONDS * len(services)
    until(are_back, seconds=seconds, what=f"the return of {', '.join(services)}")


def ask(full: PlatformCase) -> dict[str, object]:
    """What the service says through nginx."""
    row = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
    url = f"http://localhost:{full.settings['API_PORT']}/predict"
    request = urllib.request.Request(
        url, json.dumps(row).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        answer: dict[str, object] = json.load(reply)
    return answer


def test_everything_runs_and_is_healthy(full: PlatformCase) -> None:
    listed = full.compose("--profile", "full", "ps", "--format", "{{.Service}} {{.Health}}").stdout
    states = {tuple(line.split()) for line in listed.splitlines()}
    assert states >= {(service, "healthy") for service in KEEPS_RUNNING}
    assert {state for _, state in states} == {"healthy"}


def test_only_intended_ports_lead_to_services_and_from_this_machine_only(
    full: PlatformCase,
) -> None:
    published = published_ports(full)
    assert {service: len(ports) for service, ports in published.items()} == PUBLISHED
    assert {address for ports in published.values() for address, _ in ports} == {"127.0.0.1"}
    assert answering_elsewhere(port for ports in published.values() for _, port in ports) == []


def test_no_service_but_those_that_must_runs_as_root(full: PlatformCase) -> None:
    root = set()
    for service in KEEPS_RUNNING:
        container = full.container(service)
        _, *processes = engine("top", container, "-o", "pid,uid").splitlines()
        root |= {service for process in processes if process.split()[1] == "0"}
    # The registry's image keeps its files as root; it has no capabilities.
    assert root == {"registry"}


def test_the_service_does_not_reach_the_host(full: PlatformCase) -> None:
    """Where the host has an address in a network, a port that nobody listens on is refused."""
    network = f"{full.settings['PLATFORM_NETWORK']}-serving"
    host = engine("network", "inspect", "--format={{(index .IPAM.Config 0).Gateway}}", network)
    said = engine("exec", full.container("api"), "python", "-c", CONNECT, host)
    assert said in {"EHOSTUNREACH", "ENETUNREACH", "TimeoutError"}


@pytest.mark.parametrize("service", KEEPS_RUNNING)
def test_a_service_whose_process_dies_is_back_within_a_minute(
    full: PlatformCase, service: str
) -> None:
    crash(full, service)


def test_nothing_is_lost_if_mlflow_postgres_and_the_daemon_crash_together(
    full: PlatformCase,
) -> None:
    live, trained = full.registry.require("iris", "production"), successes(full)
    assert trained
    crash(full, "mlflow", "postgres", "daemon")
    assert full.registry.require("iris", "production") == live
    assert successes(full) >= trained
    assert ask(full)["model"] == {"name": "iris", "version": str(live.version)}
    verify = ("run", "--rm", "--no-deps", "-T", "ledger", "python", "-m", "commands", "ledger")
    assert "as it was written" in full.compose(*verify, "--verify").stdout


def successes(full: PlatformCase) -> set[str]:
    """The runs that have trained a model."""
    return {run["runId"] for run in full.runs("iris_train") if run["status"] == "SUCCESS"}
