"""Connections to a database that is away for a moment."""

import socket
import time
from collections.abc import Iterator
from threading import Timer

import psycopg2
import pytest
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.exc import InvalidatePoolError

from platform_storage import patient_postgres
from platform_storage.patient_postgres import connect_patiently, is_away, renew_if_lost


@pytest.fixture
def dialect() -> PGDialect_psycopg2:
    return PGDialect_psycopg2(dbapi=psycopg2)


@pytest.fixture
def port() -> Iterator[int]:
    """A port on which a server that refuses everybody listens after half a second."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        timer = Timer(0.5, lambda: refuse(server))
        timer.start()
        yield server.getsockname()[1]
        timer.join()


def refuse(server: socket.socket) -> None:
    """Answers one start-up message as PostgreSQL answers to a wrong password."""
    server.listen()
    connection, _ = server.accept()
    with connection:
        while connection.recv(1024)[4:8] == SSL_REQUEST:
            connection.sendall(b"N")
        fields = b"SFATAL\0C28P01\0Mpassword authentication failed\0\0"
        connection.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)


SSL_REQUEST = (80877103).to_bytes(4, "big")


def test_a_connection_waits_for_the_server(
    dialect: PGDialect_psycopg2, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient_postgres, "PAUSE_SECONDS", 0.1)
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect_patiently(dialect, None, [], parameters(port))


def test_patience_ends(dialect: PGDialect_psycopg2, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patient_postgres, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(patient_postgres, "PAUSE_SECONDS", 0.1)
    started = time.monotonic()
    with pytest.raises(psycopg2.OperationalError, match="refused"):
        connect_patiently(dialect, None, [], parameters(1))
    assert time.monotonic() - started < 5


def parameters(port: int) -> dict[str, object]:
    return {"host": "127.0.0.1", "port": port, "user": "dagster", "password": "wrong"}


@pytest.mark.parametrize(
    ("reason", "away"),
    [
        ('could not translate host name "postgres" to address', True),
        ("connection refused", True),
        ("FATAL:  the database system is starting up", True),
        ("FATAL:  the database system is shutting down", True),
        ('FATAL:  password authentication failed for user "dagster"', False),
        ('FATAL:  database "dagster" does not exist', False),
    ],
)
def test_a_server_that_refuses_is_not_away(reason: str, away: bool) -> None:
    assert is_away(reason) is away


class Kept:
    """A connection that was kept, as far as it is looked at before it is used again."""

    def __init__(self, *, lost: bool) -> None:
        self.lost = lost
        self.in_transaction = False

    def cursor(self) -> "Kept":
        return self

    def execute(self, _statement: str) -> None:
        if self.lost:
            raise psycopg2.OperationalError("server closed the connection unexpectedly")
        self.in_transaction = True

    def close(self) -> None:
        """Nothing is kept open."""

    def rollback(self) -> None:
        self.in_transaction = False


def test_a_lost_connection_is_not_used_again() -> None:
    with pytest.raises(InvalidatePoolError):
        renew_if_lost(Kept(lost=True), None, None)


def test_a_kept_connection_is_left_as_it_was() -> None:
    connection = Kept(lost=False)
    renew_if_lost(connection, None, None)
    assert not connection.in_transaction
