"""What a service refuses because there is too much of it, or because it comes too slowly."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from serving.runtime.http.endpoints import LARGE_BODY
from serving.runtime.model import Model
from tests.unit.http_cases import Client, client_of
from tests.unit.request_cases import write_classifier

Message = dict[str, Any]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return write_classifier(tmp_path_factory.mktemp("models") / "flower")


class Connection:
    """A client whose body comes when the test says so."""

    def __init__(self, client: Client, *, length: int | None) -> None:
        self._client = client
        self._length = length
        self.body: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []

    async def ask(self) -> int:
        """Status of the answer."""
        headers = [(b"content-type", b"application/json")]
        if self._length is not None:
            headers.append((b"content-length", str(self._length).encode()))
        scope = {"type": "http", "method": "POST", "path": "/predict", "headers": headers}
        send: Callable[[Any], Awaitable[None]] = self._send
        await self._client.application(scope, self.body.get, send)
        return int(self.sent[0]["status"])

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    def give(self, body: bytes, *, more: bool = False) -> None:
        self.body.put_nowait({"type": "http.request", "body": body, "more_body": more})


BODY = json.dumps({"data": {"length": [1.0], "width": [2.0]}}).encode()
LARGE = BODY + b" " * LARGE_BODY


@pytest.mark.parametrize("first", [None, b"{"])
def test_a_body_that_does_not_come_is_given_up(model: Model, first: bytes | None) -> None:
    async def ask() -> int:
        connection = Connection(client_of(model, {"BODY_SECONDS": "0.05"}), length=10)
        if first is not None:
            connection.give(first, more=True)
        return await connection.ask()

    assert asyncio.run(ask()) == 408


async def with_one_more(client: Client, *, held: int, length: int | None, body: bytes) -> list[int]:
    """Statuses of requests whose bodies come late, and of one that comes while they are in hand."""
    connections = [Connection(client, length=length) for _ in range(held)]
    waiting = [asyncio.ensure_future(connection.ask()) for connection in connections]
    for _ in range(5):
        await asyncio.sleep(0)
    another = Connection(client, length=length)
    another.give(body)
    refused = await another.ask()
    for connection in connections:
        connection.give(body)
    last = Connection(client, length=length)
    last.give(body)
    return [refused, *await asyncio.gather(*waiting), await last.ask()]


def test_one_request_more_than_the_limit_is_refused_and_those_in_hand_are_answered(
    model: Model,
) -> None:
    client = client_of(model, {"MAX_CONCURRENCY": "2"})
    statuses = asyncio.run(with_one_more(client, held=2, length=len(BODY), body=BODY))
    assert statuses == [503, 200, 200, 200]


@pytest.mark.parametrize("length", [len(LARGE), None])
def test_of_large_requests_fewer_are_taken(model: Model, length: int | None) -> None:
    client = client_of(model, {"MAX_LARGE_REQUESTS": "1"})
    statuses = asyncio.run(with_one_more(client, held=1, length=length, body=LARGE))
    assert statuses == [503, 200, 200]


def test_large_requests_in_hand_do_not_keep_small_ones_out(model: Model) -> None:
    async def ask() -> int:
        client = client_of(model, {"MAX_LARGE_REQUESTS": "1"})
        large, small = Connection(client, length=len(LARGE)), Connection(client, length=len(BODY))
        waiting = asyncio.ensure_future(large.ask())
        small.give(BODY)
        status = await small.ask()
        large.give(LARGE)
        assert await waiting == 200
        return status

    assert asyncio.run(ask()) == 200
