"""Doctor looks at what is to run, at what has containers, and at what people start next."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from operations.containers import PROJECT_LABEL, SERVICE_LABEL
from operations.doctor.examination import Examination
from operations.doctor.examination import examine as examined
from tests.unit.operations.cases import make_project

PROFILES = {
    "mlflow": [],
    "postgres": ["postgres", "full"],
    "api": ["serve", "full"],
    "grafana": ["dev", "monitoring", "full"],
    "feast": ["feast", "full"],
}
ENGINE = """#!/bin/sh
case "$*" in
"compose version"*) echo 2.26.1 ;;
info*) echo '{{"SystemTime": "2026-01-01T00:00:00Z", "DockerRootDir": "/", "MemTotal": 1}}' ;;
compose*) cat {home}/config ;;
ps*) echo id ;;
volume*) echo ours-postgres ;;
version*) echo '{{"Version": "26.1.5"}}' ;;
inspect*) cat {home}/containers ;;
esac
"""


REFUSED = "echo Invalid hostPort: 99999 >&2; exit 1"


def container(service: str) -> dict[str, object]:
    labels = {PROJECT_LABEL: "ours", SERVICE_LABEL: service}
    return {
        "Name": f"/ours-{service}-1",
        "Config": {"Image": "i", "Labels": labels},
        "NetworkSettings": {},
        "State": {"Status": "exited", "ExitCode": 0},
    }


Examine = Callable[..., Examination]


@pytest.fixture
def examine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Examine:
    """An examination of a platform with settings, profiles and containers."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(ENGINE.format(home=tmp_path))
    program.chmod(0o755)
    services = {name: {"profiles": some} for name, some in PROFILES.items()}
    (tmp_path / "config").write_text(json.dumps({"name": "ours", "services": services}))
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    def made(env: str = "", *profiles: str, containers: tuple[str, ...] = ()) -> Examination:
        told = [container(name) for name in containers]
        (tmp_path / "containers").write_text(json.dumps(told))
        return Examination(make_project(tmp_path, env), profiles)

    return made


def names(examination: Examination) -> tuple[set[str], set[str]]:
    """What is to run, and what may be started next."""
    model, later = examination.model, examination.later
    return {one.name for one in model.services}, {one.name for one in later.services}


def test_without_a_profile_the_core_is_to_run_and_dev_and_serve_come_next(examine: Examine) -> None:
    assert names(examine()) == ({"mlflow"}, {"mlflow", "grafana", "api"})


def test_profiles_of_the_settings_are_to_run_and_so_is_the_database(examine: Examine) -> None:
    now, _ = names(examine("COMPOSE_PROFILES=serve, feast\nDATABASE=postgres\n"))
    assert now == {"mlflow", "api", "feast", "postgres"}


def test_a_database_elsewhere_is_not(examine: Examine) -> None:
    now, _ = names(examine("DATABASE=postgres\nPOSTGRES_HOST=db.example.org\n"))
    assert now == {"mlflow"}


def test_what_has_a_container_is_to_run(examine: Examine) -> None:
    now, _ = names(examine(containers=("mlflow", "grafana")))
    assert now == {"mlflow", "grafana"}


def test_profiles_that_are_asked_for_are_to_run_and_nothing_comes_next(examine: Examine) -> None:
    assert names(examine("", "feast")) == ({"mlflow", "feast"}, {"mlflow"})


@pytest.mark.parametrize(("name", "is_told"), [("ours", True), ("others", False)])
def test_the_platforms_own_postgres_is_one_that_settings_must_name(
    examine: Examine, name: str, is_told: bool
) -> None:
    told = [one.text for one in examine(f"PLATFORM_NAME={name}\n").variables()]
    assert any("this platform has a PostgreSQL" in text for text in told) is is_told


def test_settings_that_compose_refuses_are_told_once(examine: Examine, tmp_path: Path) -> None:
    examination = examine("DATA_DIR=/data\nIMAGES=i\nMLFLOW_PORT=99999\n")
    program = tmp_path / "bin" / "docker"
    program.write_text(program.read_text().replace(f"cat {tmp_path}/config", REFUSED))
    report = examined(examination.project)
    texts = [one.text for found in report.values() for one in found]
    assert len([text for text in texts if "Invalid hostPort" in text]) == 1
    assert report["variables"][0].mend == "correct MLFLOW_PORT in .env"
    assert [one.text for one in report["others"]] == [
        "not looked at yet: versions, ports, services, network, permissions"
    ]
    assert report["resources"]
    assert not [text for text in texts if "can't be looked at" in text]
