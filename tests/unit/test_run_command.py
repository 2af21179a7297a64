"""What stands in the way of `make run` before its job begins."""

from pathlib import Path

import pytest
from filelock import FileLock

from commands import run
from ml_assets.core.errors import StateError
from platform_storage import locked_sqlite
from tests.integration.workplace import Workplace


def test_tables_that_another_process_is_making_are_waited_for_and_then_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locked_sqlite, "LOCK_SECONDS", 0.1)
    place = Workplace.create(tmp_path / "var")
    lock = place.home / "dagster" / locked_sqlite.LOCK_FILE
    with place.entered(), FileLock(lock), pytest.raises(StateError, match=str(lock)):
        run._instance()
