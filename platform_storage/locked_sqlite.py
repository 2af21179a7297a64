"""Dagster's SQLite files, whose tables one process at a time makes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from filelock import FileLock

LOCK_FILE = ".making-tables.lock"
LOCK_SECONDS = 60


class LockedSqliteStorage(DagsterSqliteStorage):
    """Dagster's own storage, opened under a lock that ends with its process.

    Dagster looks which tables are missing and then makes them. Two processes that open a new
    storage together (the daemon and its first health check) would both write their version into
    it, and nobody could open it again: Alembic refuses a table with two versions.
    """

    @classmethod
    def from_local(cls, base_dir: str, inst_data: ConfigurableClassData | None = None) -> Self:
        """Opens the files below a directory, and makes what is missing.

        Raises:
            filelock.Timeout: Another process has been making them for a minute.
        """
        place = Path(base_dir)
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / LOCK_FILE, timeout=LOCK_SECONDS):
            return cls(base_dir, inst_data=inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Opens what ``base_dir`` names in ``dagster.yaml``."""
        return cls.from_local(config_value["base_dir"], inst_data)
