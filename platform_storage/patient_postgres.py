"""Dagster's storage in PostgreSQL that waits for a server which is away for a moment.

Dagster by itself tries to connect for about 11 s. A run whose event can't be written then fails for
good, if it is the event of a step, and what a step logs is lost.
"""

import time
from typing import Any

from dagster._core.storage.config import PostgresStorageConfig
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from sqlalchemy import Dialect, event
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

PATIENCE_SECONDS = 20
"""How long one connection is tried; Dagster asks for each up to six times."""
PAUSE_SECONDS = 0.5


class PatientPostgresStorage(DagsterPostgresStorage):
    """Storage whose process connects patiently to PostgreSQL, for Feast's registry too.

    It takes the configuration of ``DagsterPostgresStorage``, in ``dagster.yaml``::

        storage:
          custom:
            module: platform_storage.patient_postgres
            class: PatientPostgresStorage
    """

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, config_value: PostgresStorageConfig
    ) -> DagsterPostgresStorage:
        """The storage of ``dagster.yaml``."""
        hook = (PGDialect_psycopg2, "do_connect", connect_patiently)
        if not event.contains(*hook):
            event.listen(*hook)
        return super().from_config_value(inst_data, config_value)


def connect_patiently(
    dialect: Dialect, _record: object, arguments: list[Any], parameters: dict[str, Any]
) -> object:
    """Connects, as soon as the server is there.

    Args:
        dialect: SQLAlchemy's way to PostgreSQL.
        arguments: What the driver is given.
        parameters: What the driver is given by name.

    Raises:
        psycopg2.OperationalError: The server refuses, or is away for `PATIENCE_SECONDS`.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return dialect.connect(*arguments, **parameters)
        except dialect.loaded_dbapi.OperationalError as error:
            if not is_away(str(error)) or time.monotonic() > deadline:
                raise
        time.sleep(PAUSE_SECONDS)


def is_away(reason: str) -> bool:
    """Whether no server answers, or one that starts or stops; others refuse for good."""
    return "FATAL" not in reason or "the database system is" in reason
