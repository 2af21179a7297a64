"""A backup holds all that the settings use, or is refused."""

from pathlib import Path

import pytest

from operations.backup.contents import Part, parts
from operations.backup.making import bytes_of, volumes_of
from operations.backup.manifest import BackupError
from operations.compose_model import ComposeModel
from operations.half_restored import MARKER
from operations.helper import Content
from operations.inside.pack import Packing
from tests.unit.operations.cases import make_project

MODEL = ComposeModel("ours", (), {"mlflow": "ours-mlflow"}, {})
ELSEWHERE = "POSTGRES_HOST=db.example.org\n"


@pytest.fixture(autouse=True)
def _engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine with the platform's volume."""
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\necho ours-mlflow\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


@pytest.mark.parametrize("part", parts("sqlite", {"releases", "mlflow", "registry"}))
def test_what_is_packed_is_read_in_the_container_as_it_was_written(part: Part) -> None:
    assert Packing.parse(part.packing.as_json()) == part.packing


def test_rows_in_another_server_are_none_of_ours(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", f"DATABASE=postgres\n{ELSEWHERE}")
    with pytest.raises(BackupError, match=r"on db\.example\.org \(POSTGRES_HOST\)"):
        volumes_of(project, MODEL)


def test_a_server_that_nothing_uses_is_in_nobodys_way(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", f"DATABASE=sqlite\n{ELSEWHERE}")
    assert volumes_of(project, MODEL) == {"mlflow": "ours-mlflow"}


def test_what_a_killed_restore_has_left_is_not_backed_up() -> None:
    whole = {"mlflow": Content(3, ["mlflow.db"]), "state": Content(4, [])}
    assert bytes_of(whole) == 7
    with pytest.raises(BackupError, match="has not ended; wait while it runs"):
        bytes_of({**whole, "logs": Content(0, [MARKER])})
