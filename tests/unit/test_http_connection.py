"""What comes on a connection and is no request: too large, too slow, or no HTTP."""

import asyncio
import json

import pytest

from serving.runtime.http.application import Application
from serving.runtime.http.connection import MAX_HEAD_BYTES
from tests.unit.wire_cases import (
    ASK,
    BODY,
    BRIEF,
    CHUNKED,
    CLOSES,
    END,
    GET,
    NOWHERE,
    POST,
    Wire,
    connected,
    counted,
    filler,
    told,
)


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 431)])
def test_headers_have_a_limit(application: Application, more: int, status: int) -> None:
    head = GET + filler(MAX_HEAD_BYTES - len(GET) - len(CLOSES) + more) + CLOSES
    ((found, body),) = told(application, head)
    assert found == status
    assert more == 0 or f"more than {MAX_HEAD_BYTES} bytes" in json.loads(body)["error"]


def test_a_head_as_long_as_it_may_be_can_have_a_body(application: Application) -> None:
    length = b"Content-Length: %d\r\n" % len(BODY)
    head = POST + filler(MAX_HEAD_BYTES - len(POST + length + CLOSES)) + length + CLOSES
    assert [status for status, _ in told(application, head, BODY)] == [200]


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"GET /", b"x" * 20_000),
        (GET + b"X-Endless: ", b"x" * 20_000),
        (GET, filler(20_000)),
        (b"", b"\r\n" * 10_000),
        (GET + END + END, b"\r\n" * 10_000),
        (CHUNKED + b"1\r\n{\r\n0\r\n", filler(20_000)),
        (CHUNKED + b"1\r\n{\r\n0\r\nX-Endless: ", b"x" * 20_000),
        (CHUNKED + b"1;", b"x" * 20_000),
    ],
)
def test_what_is_no_body_is_not_read_on_and_on(
    application: Application, start: bytes, more: bytes
) -> None:
    *_, (status, body) = told(application, start, *[more] * 100)
    assert status == 431
    assert json.loads(body)["request_id"]


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        CHUNKED + b"xyz\r\n",
        GET + b"X-Bytes: a\x00b\r\n\r\n",
    ],
)
def test_what_is_no_http_is_told_so_and_counted(application: Application, sent: bytes) -> None:
    ((status, body),) = told(application, sent)
    assert (status, {*json.loads(body)}) == (400, {"error", "request_id"})
    assert counted(application, 'http_requests_total{route="other",status="400"}') == 1
    assert counted(application, 'http_request_duration_seconds_count{route="other"}') == 0


@pytest.mark.usefixtures("_brief")
class TestTime:
    """Of all that a client may be slow with, nothing holds the connection for ever."""

    @pytest.mark.parametrize(
        ("sent", "statuses"),
        [
            (b"", []),
            (GET, [408]),
            (b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", [404]),
            (CHUNKED.replace(b"/predict", b"/nowhere") + b"1\r\n{\r\n", [404]),
        ],
    )
    def test_a_client_that_says_no_more_is_let_go(
        self, application: Application, sent: bytes, statuses: list[int]
    ) -> None:
        assert [status for status, _ in told(application, sent)] == statuses

    @pytest.mark.parametrize(
        ("start", "drop", "statuses"),
        [
            (GET, b"X", [408]),
            (GET + END, b"\r\n", [200]),
            (b"POST /nowhere HTTP/1.1\r\nContent-Length: 9999\r\n\r\n", b"x", [404]),
        ],
    )
    def test_a_client_that_says_it_drop_by_drop_is_let_go(
        self, application: Application, start: bytes, drop: bytes, statuses: list[int]
    ) -> None:
        async def tell() -> list[tuple[int, bytes]]:
            async with connected(application) as wire:
                await wire.say(start)
                dripping = asyncio.ensure_future(drip(wire, drop))
                answers = await wire.all_answers()
                dripping.cancel()
                return answers

        found = [status for status, _ in asyncio.run(tell())]
        assert [one for one in found if one != 408 or 408 in statuses] == statuses

    def test_the_next_request_has_its_time_too(self, application: Application) -> None:
        async def tell() -> list[int]:
            async with connected(application) as wire:
                statuses = []
                for sent in (ASK, ASK, GET):
                    await wire.say(sent)
                    statuses.append((await wire.answer())[0])
                return statuses

        assert asyncio.run(tell()) == [200, 200, 408]


async def drip(wire: Wire, drop: bytes) -> None:
    while True:
        await wire.say(drop)
        await asyncio.sleep(BRIEF / 10)


def test_what_follows_a_body_is_no_header(application: Application) -> None:
    body = b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY)
    trailers = b"X-Request-ID: smuggled\r\nContent-Type: text/plain\r\n\r\n"
    ((status, answer),) = told(application, CHUNKED.removesuffix(END) + CLOSES + body + trailers)
    assert status == 200
    assert b"smuggled" not in answer


@pytest.mark.usefixtures("_brief")
def test_a_request_behind_a_slow_body_has_all_its_time(application: Application) -> None:
    async def tell() -> list[int]:
        async with connected(application) as wire:
            await wire.say(NOWHERE + b"Content-Length: 2\r\n\r\n{")
            statuses = [(await wire.answer())[0]]
            await asyncio.sleep(0.6 * BRIEF)
            await wire.say(b"}", GET)
            await asyncio.sleep(0.6 * BRIEF)
            await wire.say(END)
            return [*statuses, (await wire.answer())[0]]

    assert asyncio.run(tell()) == [404, 200]
