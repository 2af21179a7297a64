"""Dagster's storage, where the platform's URL says."""

import multiprocessing
import shutil
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path
from traceback import extract_tb

import pytest
from dagster import DagsterInstance
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy import event

from platform_storage import patient_postgres
from platform_storage.chosen import ChosenStorage
from platform_storage.locked_sqlite import LockedSqliteStorage
from tests.conftest import ROOT


def rehydrated(url: str) -> DagsterStorage:
    """What Dagster makes of the entry in `dagster.yaml`."""
    data = ConfigurableClassData("platform_storage.chosen", ChosenStorage.__name__, f"url: {url}")
    return data.rehydrate(as_type=DagsterStorage)


def test_sqlite_files_lie_in_the_urls_directory(tmp_path: Path) -> None:
    storage = rehydrated(f"sqlite:///{tmp_path}/rows")
    assert isinstance(storage, DagsterSqliteStorage)
    assert storage.run_storage.get_runs() == []
    assert list((tmp_path / "rows").rglob("*.db"))


def opened_with_others(url: str, all_there: Barrier) -> None:
    all_there.wait()
    rehydrated(url)


def test_many_processes_open_a_new_storage_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    url = f"sqlite:///{tmp_path}/rows"
    together = (url, context.Barrier(8, timeout=60))
    processes = [context.Process(target=opened_with_others, args=together) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8
    assert rehydrated(url).run_storage.get_runs() == []


def test_the_embedded_default_keeps_its_rows_below_dagsters_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "commands" / "embedded" / "dagster.yaml", tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with DagsterInstance.get() as instance:
        assert isinstance(instance.get_ref().storage, LockedSqliteStorage)
    assert (tmp_path / "history" / "runs.db").exists()


@pytest.fixture
def newly_started(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process in which nobody has asked PostgreSQL yet, and all waits are over at once."""
    monkeypatch.setattr("dagster_postgres.utils.calculate_delay", lambda **_: 0)
    monkeypatch.setattr(patient_postgres, "PATIENCE_SECONDS", 0)
    forget_patience()
    yield
    forget_patience()


def forget_patience() -> None:
    for hook in patient_postgres._HOOKS:
        if event.contains(*hook):
            event.remove(*hook)


@pytest.mark.usefixtures("newly_started")
def test_postgres_is_asked_patiently() -> None:
    with pytest.raises(DagsterPostgresException, match="too many retries") as error:
        rehydrated("postgresql://dagster:secret@127.0.0.1:1/dagster")
    refused = error.value.__cause__
    assert refused
    assert "port 1 failed" in str(refused)
    assert "connect_patiently" in {frame.name for frame in extract_tb(refused.__traceback__)}


def test_another_database_is_refused_without_its_password() -> None:
    with pytest.raises(ValueError, match="DAGSTER_STORAGE begins with 'mysql'") as error:
        rehydrated("mysql://dagster:secret@db/dagster")
    assert "secret" not in str(error.value)
