"""Doctor tells which variables are missing, mistyped or read in two ways."""

from pathlib import Path

import pytest

from operations.doctor.findings import Finding, Level
from operations.doctor.variables import gather, judge
from tests.unit.operations.cases import make_project

GOOD = "IMAGES=ml-assets\nDATA_DIR=/data\n"


def found(root: Path, env: str) -> list[Finding]:
    return judge(gather(make_project(root, env)))


def test_a_file_with_all_that_is_needed_is_well(tmp_path: Path) -> None:
    assert [one.level for one in found(tmp_path, GOOD)] == [Level.OK]


def test_what_configure_writes_is_mended_by_it_and_the_rest_by_a_line(tmp_path: Path) -> None:
    ours, theirs = found(tmp_path, "")
    assert (ours.text, ours.mend) == ("not set, or empty: DATA_DIR", "make configured")
    assert theirs.text == "IMAGES is not set, or empty: the prefix of the names of the images"
    assert theirs.mend == "in .env: IMAGES=..."


def test_a_typing_mistake_is_guessed(tmp_path: Path) -> None:
    (one,) = found(tmp_path, GOOD + "MLFLOW_PROT=5001\n")
    assert one.level is Level.WARNING
    assert "MLFLOW_PORT is what you may mean" in one.text


def test_settings_of_ones_own_and_of_docker_are_left_alone(tmp_path: Path) -> None:
    env = GOOD + "COMPOSE_PROFILES=serve\nDOCKER_HOST=unix:///x\nMY_OWN=1\n"
    assert [one.level for one in found(tmp_path, env)] == [Level.OK]


@pytest.mark.parametrize("value", ['"/data"', "'/data'", "/da$ta", "/da$", "/data #1", "/da#ta"])
def test_what_make_reads_otherwise_than_compose_is_a_problem(tmp_path: Path, value: str) -> None:
    (one,) = found(tmp_path, f"IMAGES=ml-assets\nDATA_DIR={value}\n")
    assert one.level is Level.PROBLEM
    assert "DATA_DIR" in one.text


def test_a_name_that_stands_there_twice_is_told(tmp_path: Path) -> None:
    (one,) = found(tmp_path, GOOD + "IMAGES=other\n")
    assert one.text == "IMAGES stands in .env twice; the last one counts"


def test_a_file_that_compose_refuses_is_a_problem(tmp_path: Path) -> None:
    (one,) = found(tmp_path, "a line of prose\n")
    assert one.level is Level.PROBLEM
    assert ".env, line 1" in one.text


def test_a_database_that_nobody_knows_is_a_problem_and_the_only_one(tmp_path: Path) -> None:
    (one,) = found(tmp_path, "DATABASE=mysql\n")
    assert one.level is Level.PROBLEM
    assert one.text == "DATABASE is 'mysql'; it is sqlite or postgres"


def test_a_postgres_that_no_setting_names_is_a_problem(tmp_path: Path) -> None:
    (one,) = judge(gather(make_project(tmp_path, GOOD), has_postgres=True))
    assert one.level is Level.PROBLEM
    assert "is not set, and this platform has a PostgreSQL" in one.text
    assert one.mend == "in .env: DATABASE=postgres"


@pytest.mark.parametrize("chosen", ["DATABASE=sqlite", "POSTGRES_HOST=db.example.org"])
def test_a_postgres_that_is_left_on_purpose_is_none(tmp_path: Path, chosen: str) -> None:
    found = judge(gather(make_project(tmp_path, f"{GOOD}{chosen}\n"), has_postgres=True))
    assert "PostgreSQL" not in " ".join(one.text for one in found)


REFUSAL = "docker compose config has failed: Invalid hostPort: 99999"


@pytest.mark.parametrize(
    ("env", "mend"),
    [
        ("MLFLOW_PORT=99999\n", "correct MLFLOW_PORT in .env"),
        ("BIND_ADDRESS=9999\n", "correct the setting that this is about in .env"),
        ("MY_OWN=99999\n", "correct the setting that this is about in .env"),
    ],
)
def test_what_compose_refuses_is_told_with_the_setting_whose_value_it_names(
    tmp_path: Path, env: str, mend: str
) -> None:
    (one,) = judge(gather(make_project(tmp_path, GOOD + env), refusal=REFUSAL))
    assert (one.level, one.text, one.mend) == (Level.PROBLEM, REFUSAL, mend)
