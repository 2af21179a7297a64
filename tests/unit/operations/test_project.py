"""What a project's settings and compose files tell."""

from pathlib import Path

import pytest

from operations.errors import SettingsError
from tests.unit.operations.cases import make_project


def test_what_compose_demands_depends_on_the_database(tmp_path: Path) -> None:
    assert make_project(tmp_path).demanded.keys() == {"IMAGES", "DATA_DIR"}
    postgres = make_project(tmp_path, "DATABASE=postgres\n")
    assert postgres.demanded.keys() == {"IMAGES", "DATA_DIR", "MLFLOW_DB_PASSWORD"}


def test_what_is_set_in_the_file_or_the_environment_is_not_missing(tmp_path: Path) -> None:
    project = make_project(tmp_path, "IMAGES=x\nDATA_DIR=\n")
    assert project.missing == {"DATA_DIR": "set it in .env; make up writes it"}
    assert make_project(tmp_path, environment={"DATA_DIR": "/data"}).missing == {}


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    project = make_project(tmp_path, "PLATFORM_NAME=a\n", environment={"PLATFORM_NAME": "b"})
    assert project.name == "b"


def test_a_compose_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    project = make_project(tmp_path, "COMPOSE_FILE=docker-compose.yml:docker-compose.mine.yml\n")
    with pytest.raises(SettingsError, match=r"docker-compose\.mine\.yml can't be read"):
        _ = project.demanded
