"""Doctor tells which services are not well, which versions differ, and which logins fail."""

from dataclasses import replace

import pytest

from operations import containers
from operations.containers import Container, parse_container
from operations.doctor import network, tools, versions
from operations.doctor.findings import Level
from operations.doctor.services import Services, judge
from run_containers import labels

WELL = Container("p-mlflow-1", "i:1", "p", "mlflow", "running", "healthy", 0, 0, ())


def test_services_that_run_and_are_healthy_are_well() -> None:
    (one,) = judge(Services([WELL], frozenset({"mlflow"})))
    assert (one.level, one.text) == (Level.OK, "1 services run and are healthy")


def test_a_platform_that_does_not_run_is_no_problem() -> None:
    (one,) = judge(Services([], frozenset({"mlflow"})))
    assert (one.level, one.text[:26]) == (Level.OK, "the platform does not run;")


@pytest.mark.parametrize(
    ("ill", "level", "words"),
    [
        (replace(WELL, state="exited", exit_code=137), Level.PROBLEM, "has ended (killed"),
        (replace(WELL, state="exited", exit_code=3), Level.PROBLEM, "has ended (status 3)"),
        (replace(WELL, state="restarting", restarts=7), Level.PROBLEM, "again (7 restarts)"),
        (replace(WELL, health="unhealthy", tells="a\nb"), Level.PROBLEM, "is not healthy: b"),
        (replace(WELL, state="paused"), Level.PROBLEM, "is paused"),
        (replace(WELL, health="starting"), Level.WARNING, "is starting"),
    ],
)
def test_one_that_is_not_well_is_told_with_the_last_line_of_its_log(
    ill: Container, level: Level, words: str
) -> None:
    (one,) = judge(Services([ill], frozenset(), {"p-mlflow-1": "no route to postgres"}))
    assert one.level is level
    assert words in one.text
    assert one.text.endswith("its last line: no route to postgres")
    assert one.mend


@pytest.mark.parametrize("state", ["exited", "created"])
def test_what_the_engine_says_of_one_that_it_could_not_start_comes_before_its_log(
    state: str,
) -> None:
    told = {
        "Name": "/p-mlflow-1",
        "Config": {"Image": "i", "Labels": {containers.SERVICE_LABEL: "mlflow"}},
        "NetworkSettings": {},
        "State": {"Status": state, "ExitCode": 128, "Error": "driver failed:\nport is allocated"},
    }
    ended = parse_container(told)
    (one,) = judge(Services([ended], frozenset(), {"p-mlflow-1": "listening"}))
    assert one.text.endswith("; the engine says: driver failed: port is allocated")
    assert "listening" not in one.text


def test_what_the_engine_said_before_a_service_ran_is_not_told() -> None:
    ill = replace(WELL, health="unhealthy", error="port is allocated")
    (one,) = judge(Services([ill], frozenset(), {"p-mlflow-1": "no route"}))
    assert one.text.endswith("its last line: no route")


def test_a_service_of_a_profile_is_started_by_the_command_of_that_profile() -> None:
    never = replace(WELL, service="nginx", state="created")
    expected, starts = frozenset({"nginx", "prometheus"}), {"prometheus": "make monitoring"}
    created, absent = judge(Services([never], expected, starts={**starts, "nginx": "make serve"}))
    assert (created.mend, absent.mend) == ("make serve", "make monitoring")


def test_a_service_without_a_container_is_told_once_others_run() -> None:
    (one,) = judge(Services([WELL], frozenset({"mlflow", "daemon"})))
    assert (one.level, one.text) == (Level.WARNING, "not started: daemon")


def test_one_shots_and_runs_are_no_services() -> None:
    told = {
        "Name": "/p-train-run-1",
        "Config": {
            "Image": "i",
            "Labels": {
                "com.docker.compose.project": "p",
                "com.docker.compose.service": "train",
                "com.docker.compose.oneoff": "True",
            },
        },
        "State": {"Status": "exited", "ExitCode": 1},
        "NetworkSettings": {"Ports": {"80/tcp": None}},
    }
    assert parse_container(told).service == ""


def test_containers_of_runs_are_known_by_the_label_that_they_get() -> None:
    assert containers.PLATFORM_LABEL == labels.PLATFORM_LABEL


def test_tools_that_are_new_enough_are_well() -> None:
    found = tools.judge(tools.Tools("26.1.5+dfsg1", "2.26.1-4", "buildx 0.13.1"))
    assert {one.level for one in found} == {Level.OK}


@pytest.mark.parametrize(
    ("old", "words"),
    [
        (tools.Tools("24.0.7", "2.26.1", "0.13.1"), "Docker Engine 24.0.7 does not know"),
        (tools.Tools("26.1.5", "2.17.3", "0.13.1"), "Docker Compose 2.17.3 is too old"),
        (tools.Tools("26.1.5", "", "0.13.1"), "docker compose is not installed"),
        (tools.Tools("26.1.5", "2.26.1", ""), "docker buildx"),
        (tools.Tools("", "2.26.1", "0.13.1", "it does not answer"), "can't be used"),
    ],
)
def test_a_tool_that_is_away_or_too_old_is_a_problem(old: tools.Tools, words: str) -> None:
    (one,) = (one for one in tools.judge(old) if one.level is not Level.OK)
    assert one.level is Level.PROBLEM
    assert words in one.text


def test_an_engine_that_one_may_not_use_is_told_how() -> None:
    denied = tools.Tools("", "2.26.1", "0.13.1", "permission denied while trying to connect")
    assert tools.judge(denied)[0].mend.startswith("sudo usermod -aG docker")


def test_services_that_reach_each_other_are_well() -> None:
    (one,) = network.judge(network.Network("daemon", {"mlflow": ""}, {}, 3))
    expected = "daemon reaches mlflow; the database lets its users in"
    assert (one.level, one.text) == (Level.OK, expected)


def test_one_that_is_not_reached_and_one_that_is_not_let_in_are_problems() -> None:
    seen = network.Network("daemon", {"mlflow": "its name is not known"}, {"feast": "no"}, 3)
    unreached, refused = network.judge(seen)
    assert (
        "mlflow can't be reached from daemon by its name: its name is not known" in unreached.text
    )
    assert refused.text == "PostgreSQL does not let feast in: no"
    assert "FEAST_DB_PASSWORD" in refused.mend


def test_images_of_the_version_are_well() -> None:
    (one,) = versions.judge(versions.Versions("0.1.0", "0.1.0", (), (), is_built=True))
    assert one.level is Level.OK


def test_other_versions_and_missing_images_are_told_with_what_fetches_them() -> None:
    starts = {"api": "make serve"}
    outdated = ("api", "daemon")
    seen = versions.Versions("0.2.0", "0.1.0", ("i:1",), outdated, is_built=False, starts=starts)
    older, missing, running = versions.judge(seen)
    assert older.mend == "in .env: ML_ASSETS_VERSION=0.2.0"
    assert (missing.text, missing.mend) == ("not here yet: i:1", "docker compose pull")
    assert (running.text[-11:], running.mend) == ("api, daemon", "make serve; make up")
