"""The run keeper while the engine, the database or the disk refuses."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from run_containers.heartbeat import is_fresh
from run_containers.service import Rounds
from run_containers.trouble import DATABASE, DISK, ENGINE, RoundError
from tests.docker.engine_door import EngineDoor
from tests.docker.run_cases import RunCase, exists, opened_case

pytestmark = pytest.mark.docker


@pytest.fixture
def case(home: Path) -> Iterator[RunCase]:
    with opened_case() as case:
        yield case


@pytest.fixture
def door(case: RunCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EngineDoor:
    """The only way by which the keeper of the case gets to the engine."""
    door = EngineDoor(tmp_path / "docker.sock")
    monkeypatch.setenv("DOCKER_HOST", door.address)
    return door


def test_container_stays_while_its_output_cannot_be_kept(case: RunCase) -> None:
    # A round goes by the ids of runs.
    blocked, other = sorted((case.run(), case.run()), key=lambda run: run.run_id)
    containers = [case.ended(run, "echo measured") for run in (blocked, other)]
    for run in (blocked, other):
        case.instance.report_run_failed(run)
    in_the_way = Path(case.instance.storage_directory(), blocked.run_id)
    in_the_way.parent.mkdir(exist_ok=True)
    in_the_way.write_text("")
    with pytest.raises(RoundError, match=DISK):
        case.keeper.make_round()
    assert [exists(container) for container in containers] == [True, False]
    in_the_way.unlink()
    case.keeper.make_round()
    assert not exists(containers[0])


def test_nothing_is_removed_while_the_database_is_away(case: RunCase, home: Path) -> None:
    run = case.run()
    container = case.ended(run)
    case.keeper.make_round()
    case.instance.report_run_failed(run)
    history = home / "dagster" / "history"
    away = history.rename(home / "elsewhere")
    with pytest.raises(RoundError, match=DATABASE):
        case.keeper.make_round()
    assert exists(container)
    away.rename(history)
    case.keeper.make_round()
    assert not exists(container)


def test_keeper_warns_once_and_goes_on_when_the_engine_is_back(
    case: RunCase,
    door: EngineDoor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run = case.run()
    container = case.ended(run)
    case.instance.report_run_failed(run)
    rounds = Rounds([case.keeper])
    door.shut()
    for _ in range(3):
        rounds.make_one()
    assert [record.levelname for record in of_the_service(caplog)] == ["WARNING"]
    assert exists(container)
    assert not is_fresh()
    door.open()
    rounds.make_one()
    assert not exists(container)
    assert is_fresh()


def test_connection_that_broke_off_is_made_anew(case: RunCase, door: EngineDoor) -> None:
    run = case.run()
    container = case.ended(run)
    case.keeper.make_round()
    door.shut()
    with pytest.raises(RoundError, match=ENGINE):
        case.keeper.make_round()
    door.open()
    case.instance.report_run_failed(run)
    case.keeper.make_round()
    assert not exists(container)


def of_the_service(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "run_containers.service"]
