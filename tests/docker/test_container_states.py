"""What the run keeper tells of the platform's containers, with containers of a real engine."""

import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from platform_metrics.containers import ContainersFile
from run_containers.states import ContainerStates
from tests.docker.engine import engine
from tests.docker.platform import until
from tests.docker.run_cases import IMAGE

pytestmark = pytest.mark.docker

FOR_EVER = "trap exit TERM; while :; do sleep 0.1; done"


class Project:
    """Containers that say of themselves that they belong to one project of Compose."""

    def __init__(self) -> None:
        self.name = f"ml-assets-states-{uuid.uuid4().hex[:8]}"
        self.containers: list[str] = []

    def start(self, service: str, command: str, *options: str, one_off: str = "False") -> str:
        labels = {"project": self.name, "service": service, "oneoff": one_off}
        marked = [f"--label=com.docker.compose.{name}={text}" for name, text in labels.items()]
        name = f"{self.name}-{service}-{len(self.containers) + 1}"
        run = ("run", "--detach", f"--name={name}", *marked, *options, IMAGE, "sh", "-c", command)
        engine(*run)
        self.containers.append(name)
        return name


@pytest.fixture
def project() -> Iterator[Project]:
    case = Project()
    yield case
    if case.containers:
        engine("rm", "--force", *case.containers)


def told(project: Project, place: Path) -> Mapping[tuple[str, str], float]:
    """What is told of each service: (metric, service) -> value."""
    path = place / "platform" / "containers.prom"
    ContainerStates(project.name, path).make_round()
    samples = (sample for metric in ContainersFile(path).read() for sample in metric.samples)
    return {(sample.name, sample.labels["service"]): sample.value for sample in samples}


def test_running_and_ended_containers_are_told_apart(project: Project, tmp_path: Path) -> None:
    project.start("api", FOR_EVER)
    ended = project.start("feast", "exit 3")
    engine("wait", ended)
    found = told(project, tmp_path)
    assert found["platform_container_running", "api"] == 1
    assert found["platform_container_running", "feast"] == 0


@pytest.mark.parametrize(("check", "healthy"), [("true", 1), ("false", 0)])
def test_the_health_check_counts(
    project: Project, tmp_path: Path, check: str, healthy: int
) -> None:
    options = (f"--health-cmd={check}", "--health-interval=200ms", "--health-retries=1")
    name = project.start("api", FOR_EVER, *options)
    wanted = "healthy" if healthy else "unhealthy"
    status = ("inspect", "--format={{.State.Health.Status}}", name)
    until(lambda: engine(*status) == wanted, seconds=30, what=wanted)
    assert told(project, tmp_path)["platform_container_healthy", "api"] == healthy


def test_a_container_without_a_health_check_has_no_health(project: Project, tmp_path: Path) -> None:
    project.start("api", FOR_EVER, "--no-healthcheck")
    assert ("platform_container_healthy", "api") not in told(project, tmp_path)


def test_restarts_are_counted(project: Project, tmp_path: Path) -> None:
    project.start("api", "exit 1", "--restart=on-failure:2")

    def restarts() -> float:
        return told(project, tmp_path)["platform_container_restarts_total", "api"]

    until(lambda: restarts() == 2, seconds=30, what="two restarts")


def test_one_shots_and_other_projects_are_left_out(project: Project, tmp_path: Path) -> None:
    project.start("train", FOR_EVER, one_off="True")
    assert told(project, tmp_path) == {}


def test_a_container_that_never_started_has_no_start(project: Project, tmp_path: Path) -> None:
    name = project.start("api", FOR_EVER)
    began = told(project, tmp_path)["platform_container_start_timestamp_seconds", "api"]
    assert began > 1.7e9
    engine("rm", "--force", name)
    labels = (
        f"--label=com.docker.compose.project={project.name}",
        "--label=com.docker.compose.service=api",
        "--label=com.docker.compose.oneoff=False",
    )
    engine("create", f"--name={name}", *labels, IMAGE)
    found = told(project, tmp_path)
    assert ("platform_container_start_timestamp_seconds", "api") not in found
    assert found["platform_container_running", "api"] == 0
