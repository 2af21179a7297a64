"""Doctor asks the engine: what it finds is what is there."""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.own_platform import OwnPlatform
from operations.compose_model import ComposeModel, PublishedPort, read_model
from operations.containers import PROJECT_LABEL, SERVICE_LABEL, all_containers
from operations.doctor import network, permissions, ports, services, tools
from operations.doctor.findings import Finding, Level
from operations.doctor.listeners import listeners
from operations.dotenv import parse
from operations.project import Project
from serving.release.probe import free_ports
from tests.conftest import ROOT
from tests.docker.engine import engine
from tests.docker.platform import until

pytestmark = pytest.mark.docker

LISTEN = "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port={port}, bind='0.0.0.0')"
SLEEP = "import time; time.sleep(600)"
ENV = r"""# a comment
PLAIN=abc
export EXPORTED=one
SPACED = two
COMMENTED=three # four
NO_COMMENT=three#four
NO_COMMENT_EITHER= # x
SINGLE='a $PLAIN # b'
DOUBLE="a $PLAIN # b"  # after
ESCAPED="l1\nl2 \"q\" \$PLAIN"
TWO_LINES='x
y'
NAMED=${PLAIN}-${NOPE:-none}-$PLAIN
DOLLAR=a$$b
EMPTY=
COLON: yes
BACKSLASH=C:\temp
DEFAULTS=${EMPTY:-e}${EMPTY-f}
  INDENTED=in
LAST="end"
"""


@dataclass(frozen=True)
class Case:
    """Containers that look as if they were a platform's.

    Attributes:
        name: Its name.
        image: An image with Python.
    """

    name: str
    image: str

    @property
    def model(self) -> ComposeModel:
        """What Compose would say of it."""
        volumes = {"state": f"{self.name}-state"}
        return ComposeModel(self.name, (), volumes, {"registry": self.name})

    def start(self, service: str, script: str, *options: str, image: str = "") -> str:
        """A container of a service, in the network of that name; it runs a script."""
        labels = (f"--label={PROJECT_LABEL}={self.name}", f"--label={SERVICE_LABEL}={service}")
        name = f"{self.name}-{service}-1"
        started = ("--detach", f"--name={name}", f"--network={self.name}", *labels, *options)
        command = ("python", "-uc", script) if script else ()
        engine("run", *started, f"--network-alias={service}", image or self.image, *command)
        return name

    def project(self, root: Path = ROOT, **settings: str) -> Project:
        """A project with settings of the environment alone."""
        given = {"PATH": os.environ["PATH"], "PLATFORM_NAME": self.name, **settings}
        return Project(root, given, Path(os.devnull))

    def remove(self) -> None:
        """Removes its containers, volume and network."""
        if found := engine("ps", "--all", "--quiet", f"--filter=label={PROJECT_LABEL}={self.name}"):
            engine("rm", "--force", "--volumes", *found.split())
        engine("volume", "rm", "--force", f"{self.name}-state")
        engine("network", "rm", self.name)


@pytest.fixture
def case() -> Iterator[Case]:
    version = OwnPlatform.create("x").settings["ML_ASSETS_VERSION"]
    found = Case(f"ml-assets-doctor-{secrets.token_hex(4)}", f"ml-assets-dagster:{version}")
    engine("network", "create", found.name)
    try:
        yield found
    finally:
        found.remove()


def problems(found: list[Finding]) -> list[str]:
    return [one.text for one in found if one.level is Level.PROBLEM]


def test_an_env_file_is_read_as_compose_reads_it(tmp_path: Path) -> None:
    ours = {one.name: one.value for one in parse(ENV, dict(os.environ))}
    lines = "".join(f"      {name}: ${{{name}}}\n" for name in ours)
    compose = f"name: x\nservices:\n  a:\n    image: x\n    environment:\n{lines}"
    (tmp_path / "docker-compose.yml").write_text(compose)
    (tmp_path / ".env").write_text(ENV)
    command = ["docker", "compose", "config", "--format", "json"]
    printed = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout
    theirs = json.loads(printed)["services"]["a"]["environment"]
    # Compose prints a dollar as two, so that its output can be read again.
    assert ours == {name: value.replace("$$", "$") for name, value in theirs.items()}
    assert len(ours) == 18


def test_the_engine_and_its_tools_are_new_enough() -> None:
    assert {one.level for one in tools.judge(tools.gather())} == {Level.OK}


def test_the_platform_is_read_even_without_its_variables() -> None:
    project = Project(ROOT, {"PATH": os.environ["PATH"]}, Path(os.devnull))
    model = read_model(project, ["*"])
    assert "DATA_DIR" in project.missing
    assert {"mlflow", "postgres", "registry"} <= {one.name for one in model.services}
    assert {"webserver", "registry"} <= {one.service for one in model.ports}


def test_a_container_that_has_a_port_is_named(case: Case) -> None:
    (port,) = free_ports(1)
    name = case.start("thief", SLEEP, f"--publish=127.0.0.1:{port}:80")
    published = PublishedPort("mlflow", "127.0.0.1", port)
    seen = ports.Ports("ours", [published], all_containers(), listeners([port]), frozenset(), {})
    assert problems(ports.judge(seen)) == [f"port {port} (mlflow) is taken by the container {name}"]


def test_a_service_that_has_ended_is_told_with_its_last_words(case: Case) -> None:
    case.start("mlflow", "import sys; print('one', file=sys.stderr); sys.exit('no such database')")
    until(lambda: "exited" in states(case), seconds=30, what="the end of a container")
    (text,) = problems(services.judge(services.gather(case.model, all_containers())))
    assert text == "mlflow has ended (status 1); its last line: no such database"


def test_a_service_that_is_not_healthy_is_told_with_what_its_check_says(case: Case) -> None:
    check = ("--health-cmd=echo nobody answers; false", "--health-interval=1s")
    case.start(
        "mlflow",
        f"print('still here'); {SLEEP}",
        *check,
        "--health-retries=1",
        "--health-start-period=1s",
    )
    until(lambda: "unhealthy" in states(case), seconds=30, what="a failed health check")
    (text,) = problems(services.judge(services.gather(case.model, all_containers())))
    assert text == ("mlflow runs and is not healthy: nobody answers; its last line: still here")


def states(case: Case) -> set[str]:
    found = [one for one in all_containers() if one.project == case.name]
    return {one.state for one in found} | {one.health for one in found}


def test_a_service_that_does_not_answer_by_its_name_is_told(case: Case) -> None:
    case.start("daemon", SLEEP)
    case.start("mlflow", LISTEN.format(port=5000))
    case.start("webserver", SLEEP)
    case.start("registry", LISTEN.format(port=5000), "--network-alias=registry.local")
    project = case.project()

    def seen() -> list[Finding]:
        found = network.gather(project, case.model, all_containers(), image=case.image)
        return network.judge(found)

    until(lambda: len(problems(seen())) == 1, seconds=30, what="two servers")
    (text,) = problems(seen())
    assert text == "webserver can't be reached from daemon by its name: Connection refused"


def test_a_password_that_the_database_does_not_know_is_told(case: Case) -> None:
    image = next(
        one.image for one in read_model(case.project(), ["*"]).services if one.name == "postgres"
    )
    scripts = ROOT / "docker" / "postgres"
    passwords = {f"{name}_DB_PASSWORD": f"p{name}x" for name in ("DAGSTER", "MLFLOW", "FEAST")}
    given = {"POSTGRES_PASSWORD": "root", **passwords}
    options = [f"--env={name}={value}" for name, value in given.items()]
    mount = f"--volume={scripts}:/docker-entrypoint-initdb.d:ro"
    name = case.start("postgres", "", *options, mount, image=image)
    case.start("daemon", SLEEP)
    ready = ("exec", name, "pg_isready", "--quiet", "--host=127.0.0.1")
    until(lambda: engine(*ready) == "", seconds=60, what="PostgreSQL")
    wrong = {**passwords, "FEAST_DB_PASSWORD": "another"}
    project = case.project(DATABASE="postgres", **wrong)
    found = network.gather(project, case.model, all_containers(), image="")
    assert found.refused.keys() == {"feast"}
    assert "password authentication failed" in found.refused["feast"]
    assert found.logins == 3
    assert "another" not in str(found.refused)


def test_what_runs_cant_read_or_write_is_found_from_a_container(
    case: Case, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = Path("/var/tmp") / case.name  # noqa: S108  others may not enter pytest's directories
    (home / "data").mkdir(parents=True)
    (home / "out").mkdir()
    (home / "data" / "mine.csv").touch(mode=0o600)
    engine("volume", "create", f"{case.name}-state")
    mount = f"--volume={case.name}-state:/mnt"
    engine("run", "--rm", "--user=0", mount, case.image, "mkdir", "/mnt/features")
    try:
        project = case.project(DATA_DIR=f"{home}/data", DELIVERY_DIR=f"{home}/out")
        found = permissions.gather(project, case.model, image=case.image)
    finally:
        shutil.rmtree(home)
    assert found.denied == {"DATA_DIR": "/mine.csv", "DELIVERY_DIR": "", "state": ""}


def test_it_needs_nothing_but_python(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GRAFANA_PASSWORD=admin\n")
    (tmp_path / ".env").chmod(0o644)
    python = shutil.which("python3.11", path=os.environ["PATH"])
    assert python
    # -S leaves all libraries out.
    command = [python, "-S", "-m", "operations.doctor", "--json", "--env-file", tmp_path / ".env"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr
    found = {(one["level"], one["check"], one["mend"]) for one in json.loads(ended.stdout)}
    assert ("problem", "passwords", "chmod 600 .env") in found
    assert ("problem", "variables", "make configured") in found
    assert {check for _, check, _ in found} >= {"tools", "ports", "resources", "network"}
