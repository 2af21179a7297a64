"""PostgreSQL is started for a backup, and what was started for it alone is gone afterwards.

The program `docker` stands in for an engine: it keeps its containers in a file.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from operations.backup.postgres import running_postgres
from operations.compose_model import ComposeModel
from operations.containers import PROJECT_LABEL, SERVICE_LABEL
from tests.unit.operations.cases import make_project

MODEL = ComposeModel("ours", (), {}, {"default": "ours_default"})
ENGINE = """#!{python}
import json, pathlib, sys
home = pathlib.Path({home!r})
containers = json.loads((home / "containers").read_text())
match sys.argv[1:]:
    case ["ps", *_]:
        print(*(one["Name"] for one in containers))
    case ["inspect", *_]:
        print(json.dumps(containers))
    case ["network", "ls", *_]:
        print((home / "networks").read_text())
    case ["compose", "--profile", "*", *rest] | rest:
        with (home / "done").open("a") as file:
            print(*rest, file=file)
        if "up" in rest:
            (home / "containers").write_text((home / "with-postgres").read_text())
            (home / "networks").write_text("bridge ours_default")
"""


def container(service: str, state: str = "running") -> dict[str, object]:
    labels = {PROJECT_LABEL: "ours", SERVICE_LABEL: service}
    return {
        "Name": f"/ours-{service}-1",
        "Config": {"Image": "i", "Labels": labels},
        "NetworkSettings": {},
        "State": {"Status": state, "ExitCode": 0},
    }


@dataclass(frozen=True)
class Engine:
    """An engine in a directory."""

    home: Path

    def has(self, *containers: dict[str, object], networks: str = "bridge ours_default") -> None:
        """Lets it have containers and networks."""
        (self.home / "containers").write_text(json.dumps(containers))
        others = [one for one in containers if "postgres" not in str(one["Name"])]
        (self.home / "with-postgres").write_text(json.dumps([*others, container("postgres")]))
        (self.home / "networks").write_text(networks)

    def during(self, *containers: dict[str, object]) -> list[str]:
        """What was done, if it has some containers at the end of the block."""
        with running_postgres(make_project(self.home), MODEL):
            if containers:
                (self.home / "containers").write_text(json.dumps(containers))
        done = self.home / "done"
        return done.read_text().splitlines()[1:] if done.exists() else ["nothing"]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    program = tmp_path / "docker" / "docker"
    program.parent.mkdir()
    program.write_text(ENGINE.format(python=sys.executable, home=str(tmp_path)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return Engine(tmp_path)


REMOVED = "rm --stop --force postgres"


def test_one_that_runs_is_left_alone(engine: Engine) -> None:
    engine.has(container("postgres"), container("mlflow"))
    assert engine.during() == ["nothing"]


def test_of_a_platform_without_containers_nothing_is_left(engine: Engine) -> None:
    engine.has(networks="bridge")
    assert engine.during() == [REMOVED, "network rm ours_default"]


def test_a_network_that_was_there_stays(engine: Engine) -> None:
    engine.has()
    assert engine.during() == [REMOVED]


def test_one_that_was_stopped_is_stopped_again(engine: Engine) -> None:
    engine.has(container("postgres", "exited"), container("mlflow", "exited"))
    assert engine.during() == ["stop postgres"]


def test_what_ran_without_it_does_not_keep_it(engine: Engine) -> None:
    engine.has(container("mlflow"))
    assert engine.during() == [REMOVED]


@pytest.mark.parametrize("state", ["running", "created"])
def test_a_platform_that_is_started_meanwhile_keeps_it(engine: Engine, state: str) -> None:
    engine.has(networks="bridge")
    assert engine.during(container("postgres"), container("mlflow", state)) == []


def test_so_does_one_whose_containers_are_started_meanwhile(engine: Engine) -> None:
    engine.has(container("postgres", "exited"), container("mlflow", "exited"))
    assert engine.during(container("postgres"), container("mlflow")) == []
