"""How connections end: each request is answered once, and each client can read its answer."""

import asyncio

import pytest

from serving.runtime.http import closing
from serving.runtime.http.application import Application
from serving.runtime.http.exchange import Receive, Reply, Scope, Send
from tests.unit.wire_cases import (
    ASK,
    BODY,
    BRIEF,
    CHUNKED,
    END,
    GET,
    NOWHERE,
    PATIENT,
    POST,
    Wire,
    connected,
    counted,
    told,
)


@pytest.mark.parametrize(("count", "pause"), [(8, 0.0), (1, 0.02)])
def test_a_client_that_reads_on_gets_long_answers_whole(
    application: Application, monkeypatch: pytest.MonkeyPatch, count: int, pause: float
) -> None:
    monkeypatch.setattr(closing, "WRITE_SECONDS", 1.0)

    async def tell() -> list[tuple[int, bytes]]:
        async with connected(application, answer_at_length) as wire:
            answers = []
            for _ in range(count):
                await wire.say(GET + END)
                answers.append(await wire.answer(pause=pause))
            return answers

    assert asyncio.run(tell()) == [(200, LONG)] * count


@pytest.mark.usefixtures("_brief")
def test_a_client_that_reads_slowly_does_not_keep_the_service_from_ending(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "WRITE_SECONDS", PATIENT)

    async def tell() -> None:
        async with connected(application, answer_at_length) as wire:
            await wire.say(GET + END)
            for each in [*wire.open_connections]:
                each.shutdown()
            await until_gone(wire)

    asyncio.run(tell())


async def until_gone(wire: Wire) -> None:
    async with asyncio.timeout(PATIENT / 2):
        while wire.open_connections:  # noqa: ASYNC110
            await asyncio.sleep(BRIEF / 4)


LONG = bytes(50_000_000)
"""More than the buffers of two sockets hold."""


async def answer_at_length(_scope: Scope, _receive: Receive, send: Send) -> None:
    await Reply(200, LONG).send(send, request_id="a", closes=False)


@pytest.mark.usefixtures("_brief")
def test_a_client_that_does_not_read_is_let_go(application: Application) -> None:
    async def tell() -> None:
        async with connected(application, answer_at_length) as wire:
            await wire.say(GET + END)
            await until_gone(wire)

    asyncio.run(tell())


class Slow:
    """An application whose answers come when the test says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        await receive()
        await self.may_answer.wait()
        await Reply.of(scope["path"]).send(send, request_id="a", closes=False)


@pytest.mark.usefixtures("_brief")
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("behind", [GET, GET + END, GET + END + GET, b"no HTTP\r\n"])
def test_a_request_that_others_follow_is_answered_and_is_the_last(
    application: Application, behind: bytes, parts: int
) -> None:
    async def tell() -> tuple[list[tuple[int, bytes]], list[str]]:
        slow = Slow()
        async with connected(application, slow) as wire:
            await wire.say(*([GET + END + behind] if parts == 1 else [GET + END, behind]))
            await asyncio.sleep(2 * BRIEF)
            slow.may_answer.set()
            return await wire.all_answers(), slow.asked

    assert asyncio.run(tell()) == ([(200, b'"/health"')], ["/health"])


def test_a_broken_body_takes_no_place_in_the_service(application: Application) -> None:
    async def tell() -> tuple[int, float]:
        async with connected(application) as wire:
            await wire.say(CHUNKED + b"1\r\n{\r\n", b"xyz\r\n")
            status, _ = await wire.answer()
            await asyncio.sleep(0)
            return status, counted(application, "http_requests_in_progress")

    assert asyncio.run(tell()) == (400, 0)


@pytest.mark.parametrize(
    "body",
    [
        [b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)],
        [b"Content-Length: %d\r\n" % len(BODY), b"\r\n" + BODY[:5], BODY[5:]],
        [b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n%s" % (len(BODY), BODY), b"\r\n0\r\n\r\n"],
    ],
)
@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
def test_another_protocol_is_not_spoken(
    application: Application, protocol: bytes, body: list[bytes]
) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: %s\r\nSec-WebSocket-Key: YQ==\r\n" % protocol

    async def tell() -> list[int]:
        async with connected(application) as wire:
            await wire.say(POST + upgrade + body[0], *body[1:])
            first, _ = await wire.answer()
            await wire.say(GET + upgrade + END)
            second, _ = await wire.answer()
            await wire.say(ASK)
            third, _ = await wire.answer()
            return [first, second, third]

    assert asyncio.run(tell()) == [200, 200, 200]


LARGE = 9_000_000


@pytest.mark.parametrize("keep", [b"", b"Connection: close\r\n"])
@pytest.mark.parametrize(("start", "status"), [(NOWHERE, 404), (POST, 413)])
def test_an_answer_before_the_body_was_there_arrives(
    application: Application, start: bytes, status: int, keep: bytes
) -> None:
    async def tell() -> int:
        async with connected(application) as wire:
            await wire.say(start + keep + b"Content-Length: %d\r\n\r\n" % LARGE, bytes(LARGE))
            return (await wire.answer())[0]

    assert asyncio.run(tell()) == status


def test_the_answer_to_the_first_of_many_requests_arrives(application: Application) -> None:
    async def tell() -> int:
        async with connected(application) as wire:
            await wire.say(ASK * 20_000)
            return (await wire.answer())[0]

    assert asyncio.run(tell()) == 200


def test_a_client_that_says_no_more_may_still_read(application: Application) -> None:
    async def tell() -> list[tuple[int, bytes]]:
        async with connected(application) as wire:
            wire.writer.write(ASK)
            wire.writer.write_eof()
            return await wire.all_answers()

    assert [status for status, _ in asyncio.run(tell())] == [200]


def test_a_request_is_answered_once(application: Application) -> None:
    chunked = b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"
    answers = told(application, NOWHERE + chunked, b"no chunk\r\n")
    assert [status for status, _ in answers] == [404]
