"""Asks a service over HTTP, on a few connections that stay open."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

from serving.runtime.errors import MLAssetsError

CONNECTIONS = 4
READY_TIMEOUT, REPLY_TIMEOUT, PATIENCE_SECONDS = 2, 30, 300
HEADERS = {"Content-Type": "application/json"}


class AskingError(MLAssetsError):
    """A service breaks off or keeps silent instead of an answer."""


@dataclass(frozen=True)
class Reply:
    """What a service replied to a request.

    Attributes:
        status: The HTTP status.
        body: The content.
    """

    status: int
    body: bytes


def is_ready(address: str, *, port: int) -> bool:
    """Whether a service says that it is ready."""
    try:
        with closing(HTTPConnection(address, port, timeout=READY_TIMEOUT)) as connection:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False


def fetch(address: str, path: str, *, port: int) -> bytes:
    """The content of a page of a service.

    Raises:
        AskingError: There is none.
    """
    try:
        with closing(HTTPConnection(address, port, timeout=REPLY_TIMEOUT)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            if response.status == 200:
                return response.read()
    except (OSError, HTTPException) as error:
        raise AskingError(f"{path} is not answered: {error!r}") from error
    raise AskingError(f"{path} is answered with status {response.status}")


def ask(address: str, bodies: Sequence[bytes], *, port: int) -> list[Reply]:
    """Sends requests to `POST /predict`.

    Args:
        address: IP address of the service.
        bodies: The JSON of each request.
        port: What the service listens on.

    Returns:
        The reply to each request, in the order of the requests.

    Raises:
        AskingError: A request is not answered within 30 s, or all of them within 5 minutes.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    replies: dict[int, Reply] = {}

    def ask_share(first: int) -> None:
        with closing(HTTPConnection(address, port, timeout=REPLY_TIMEOUT)) as connection:
            for number in range(first, len(bodies), CONNECTIONS):
                replies[number] = _ask(connection, number, bodies[number], deadline=deadline)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(ask_share, range(CONNECTIONS)))
    return [replies[number] for number in range(len(bodies))]


def _ask(connection: HTTPConnection, number: int, body: bytes, *, deadline: float) -> Reply:
    if time.monotonic() > deadline:
        raise AskingError(f"request {number} is not answered after {PATIENCE_SECONDS} s")
    try:
        connection.request("POST", "/predict", body, HEADERS)
        response = connection.getresponse()
        return Reply(response.status, response.read())
    except (OSError, HTTPException) as error:
        raise AskingError(f"request {number} is not answered: {error!r}") from error
