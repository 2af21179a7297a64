"""Dagster's storage where the platform keeps its rows: SQLite files, or PostgreSQL."""

from typing import TypedDict

from dagster import StringSource
from dagster._config import UserConfigSchema
from dagster._core.storage.base_storage import DagsterStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from platform_storage.locked_sqlite import LockedSqliteStorage
from platform_storage.patient_postgres import PatientPostgresStorage

SQLITE, POSTGRES = "sqlite:///", "postgresql://"


class StorageConfig(TypedDict):
    """What stands in ``dagster.yaml``."""

    url: str


class ChosenStorage(DagsterStorage, ConfigurableClass):
    """The storage that a URL names; an instance is one of Dagster's own.

    It takes the URL in ``dagster.yaml``::

        storage:
          custom:
            module: platform_storage.chosen
            class: ChosenStorage
            config:
              url: sqlite:////var/lib/dagster/storage/sqlite
    """

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """The one entry: ``url``, or the variable that holds it."""
        return {"url": StringSource}

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, config_value: StorageConfig
    ) -> DagsterStorage:
        """The storage at the URL.

        Raises:
            ValueError: It is neither ``sqlite:///DIRECTORY`` nor ``postgresql://...``.
        """
        url = config_value["url"]
        if url.startswith(SQLITE):
            return LockedSqliteStorage.from_local(url.removeprefix(SQLITE))
        if url.startswith(POSTGRES):
            return PatientPostgresStorage.from_config_value(inst_data, {"postgres_url": url})
        scheme = url.partition(":")[0]
        raise ValueError(
            f"DAGSTER_STORAGE begins with {scheme!r}; Dagster keeps its rows in {SQLITE}DIRECTORY "
            f"or {POSTGRES}USER:PASSWORD@HOST/DATABASE, which docker/database/ holds"
        )
