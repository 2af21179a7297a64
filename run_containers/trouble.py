"""What can go wrong in a round of the run keeper that passes by itself or with someone's help."""

import re
import struct
from dataclasses import dataclass

from dagster_postgres.utils import DagsterPostgresException
from docker.errors import DockerException
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError
from urllib3.exceptions import HTTPError


class UnexpectedStateError(Exception):
    """What the engine tells of a container can't be read; the message says what, and of which."""


ENGINE, DATABASE, DISK = "the Docker Engine", "Dagster's database", "the place of the logs"
# docker-py lets errors of its layers below through; an output that breaks off is a struct.error.
ENGINE_ERRORS = (DockerException, RequestException, HTTPError, struct.error, UnexpectedStateError)
DATABASE_ERRORS = (SQLAlchemyError, DagsterPostgresException)
PASSING_ERRORS = (*ENGINE_ERRORS, *DATABASE_ERRORS, OSError)
_CREDENTIALS = re.compile(r"(?<=://)\S*@")


class RoundError(Exception):
    """A round of the run keeper could not do all of its work; the next one tries again."""

    def __init__(self, troubles: "list[Trouble]") -> None:
        super().__init__("; ".join(str(trouble) for trouble in troubles))
        self.troubles = troubles
        self.sources = frozenset(trouble.source for trouble in troubles)


@dataclass(frozen=True)
class Trouble:
    """One thing that went wrong.

    Attributes:
        source: Who refused: the engine, the database, or the disk.
        reason: The first line of the error, without names and passwords of URLs.
    """

    source: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"

    @classmethod
    def of(cls, error: Exception) -> "Trouble":
        """Tells one of the ``PASSING_ERRORS``."""
        reason = next(iter(str(error).splitlines()), "")
        return cls(_source(error), f"{type(error).__name__} {_CREDENTIALS.sub('', reason)}".strip())


def _source(error: Exception) -> str:
    # Errors of requests are OSErrors too, so that the disk comes last.
    if isinstance(error, ENGINE_ERRORS):
        return ENGINE
    return DATABASE if isinstance(error, DATABASE_ERRORS) else DISK
