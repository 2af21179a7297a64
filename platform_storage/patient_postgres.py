"""Dagster's storage in PostgreSQL that waits for a server which is away, and keeps connections.

Dagster by itself tries to connect for about 11 s. A run whose event can't be written then fails for
good, if it is the event of a step, and what a step logs is lost.

It connects anew for each question, except in its webserver, which answers with an error for
each connection that was lost with the server.
"""

import time
from functools import cache
from typing import Any

from dagster._core.storage.config import PostgresStorageConfig
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import create_pg_engine
from psycopg2 import Error
from sqlalchemy import Dialect, Engine, QueuePool, event
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError

PATIENCE_SECONDS = 20
"""How long one connection is tried; Dagster asks for each up to six times."""
PAUSE_SECONDS = 0.5
KEPT_CONNECTIONS = 3
"""How many a process keeps at most for its next questions."""
RENEWED_SECONDS = 240
"""At this age a connection is renewed: what stands between may drop idle ones without a word."""


class PatientPostgresStorage(DagsterPostgresStorage):
    """Dagster's own storage, in a process that is patient with PostgreSQL.

    The patience is of the whole process, for Feast's registry too; the connections that it keeps
    are Dagster's alone.

    It takes ``postgres_url`` or ``postgres_db``, as ``DagsterPostgresStorage`` does, in
    ``dagster.yaml``::

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
        for hook in _HOOKS:
            if not event.contains(*hook):
                event.listen(*hook)
        storage = super().from_config_value(inst_data, config_value)
        for part in (storage.run_storage, storage.event_log_storage, storage.schedule_storage):
            # Dagster has no setting for it.
            part._engine = kept_connections(storage.postgres_url)  # type: ignore[union-attr] # noqa: SLF001
        return storage


@cache
def kept_connections(url: str) -> Engine:
    """The connections of this process, however many instances of Dagster it opens."""
    return create_pg_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=KEPT_CONNECTIONS,
        max_overflow=-1,
        pool_recycle=RENEWED_SECONDS,
    )


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


def renew_if_lost(connection: DBAPIConnection, _record: object, _proxy: object) -> None:
    """Looks at a connection that was kept before it is used again.

    Raises:
        InvalidatePoolError: The server has gone since; SQLAlchemy connects anew.
    """
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        cursor.close()
        connection.rollback()
    except Error as error:
        raise InvalidatePoolError from error


def is_away(reason: str) -> bool:
    """Whether no server answers, or one that starts or stops; others refuse for good."""
    return "FATAL" not in reason or "the database system is" in reason


_HOOKS = (
    (PGDialect_psycopg2, "do_connect", connect_patiently),
    (QueuePool, "checkout", renew_if_lost),
)
"""What happens when a process connects, and when it takes a connection that it has kept."""
