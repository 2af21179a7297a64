"""A restore that does not end well is taken back, and tells whether that has worked."""

from collections.abc import Callable
from pathlib import Path

import pytest

from operations.compose_model import ComposeModel
from operations.helper import Helper
from operations.restore import restoring
from operations.restore.restoring import Target
from tests.unit.operations.cases import make_project

ENGINE = """#!/bin/sh
case "$*" in
"volume ls"*) echo ours-state ;;
"volume rm"*)
  echo once >> {home}/tries
  if [ "$(wc -l < {home}/tries)" -le {failures} ]; then echo "{why}" >&2; exit 1; fi ;;
esac
"""
IN_USE = "Error response from daemon: remove ours-state: volume is in use - [0a1b]"
EMPTY = "the platform is as empty as it was"
TakeBack = Callable[[int, str], int]


@pytest.fixture
def take_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TakeBack:
    """A restore that is stopped, with an engine that fails so often; how often it was asked."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(restoring, "BETWEEN_TRIES_SECONDS", 0.01)

    def stopped(failures: int, why: str) -> int:
        program = tmp_path / "docker"
        program.write_text(ENGINE.format(home=tmp_path, failures=failures, why=why))
        program.chmod(0o755)
        model = ComposeModel("ours", (), {"state": "ours-state"}, {})
        target = Target(make_project(tmp_path / "p"), model, Helper("i", "ours"))
        with pytest.raises(KeyboardInterrupt), target.emptied_on_failure():
            raise KeyboardInterrupt
        return len((tmp_path / "tries").read_text().splitlines())

    return stopped


def test_a_volume_in_use_is_removed_once_it_is_not(
    take_back: TakeBack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert take_back(2, IN_USE) == 3
    assert capsys.readouterr().err.splitlines()[-1] == EMPTY


def test_a_volume_that_stays_in_use_is_told_and_no_emptiness_is_claimed(
    take_back: TakeBack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "IN_USE_SECONDS", 0.1)
    take_back(10_000, IN_USE)
    told = capsys.readouterr().err
    assert "volume is in use - [0a1b]; make down-volumes removes it" in told
    assert EMPTY not in told


def test_another_fault_is_told_at_once(
    take_back: TakeBack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert take_back(10_000, "permission denied") == 1
    assert EMPTY not in capsys.readouterr().err
