"""Dagster's storage, where the platform's URL says."""

from collections.abc import Iterator
from pathlib import Path
from traceback import extract_tb

import pytest
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy import event

from platform_storage import patient_postgres
from platform_storage.chosen import ChosenStorage


def rehydrated(url: str) -> DagsterStorage:
    """What Dagster makes of the entry in `dagster.yaml`."""
    data = ConfigurableClassData("platform_storage.chosen", ChosenStorage.__name__, f"url: {url}")
    return data.rehydrate(as_type=DagsterStorage)


def test_sqlite_files_lie_in_the_urls_directory(tmp_path: Path) -> None:
    storage = rehydrated(f"sqlite:///{tmp_path}/rows")
    assert isinstance(storage, DagsterSqliteStorage)
    assert storage.run_storage.get_runs() == []
    assert list((tmp_path / "rows").rglob("*.db"))


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
