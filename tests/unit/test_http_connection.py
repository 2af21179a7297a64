"""What a connection may do, and what it is answered when it brings no request."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import uvicorn
from uvicorn.server import ServerState

from serving.runtime.http import closing, connection
from serving.runtime.http.application import Application
from serving.runtime.http.connection import MAX_HEAD_BYTES, Connection
from serving.runtime.http.exchange import Receive, Reply, Scope, Send
from serving.runtime.model import Model
from tests.unit.http_cases import client_of, figure
from tests.unit.request_cases import write_classifier

HOST = "127.0.0.1"
BRIEF, PATIENT = 0.2, 20.0
GET = b"GET /health HTTP/1.1\r\nHost: a\r\n"
END = b"\r\n"
CLOSES = b"Connection: close\r\n\r\n"
POST = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = b'{"length": 1.0, "width": 2.0}'
ASK = POST + b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)

Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return write_classifier(tmp_path_factory.mktemp("models") / "flower")


@pytest.fixture
def application(model: Model) -> Application:
    return client_of(model).application


@pytest.fixture
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_SECONDS", "REST_SECONDS"):
        monkeypatch.setattr(connection, name, BRIEF)
    for name in ("LINGER_SECONDS", "WRITE_SECONDS"):
        monkeypatch.setattr(closing, name, BRIEF)


@dataclass(frozen=True)
class Wire:
    """A client's end of a connection.

    Attributes:
        open_connections: Those that the server has.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    open_connections: set[object]

    async def say(self, *parts: bytes) -> None:
        """Sends parts that arrive one by one, as far as the server takes them."""
        try:
            for part in parts:
                self.writer.write(part)
                await self.writer.drain()
                await asyncio.sleep(0.001)
        except ConnectionError:
            pass

    async def all_answers(self) -> list[tuple[int, bytes]]:
        """Status and body of all answers until the service ends the connection."""
        answered = b""
        async with asyncio.timeout(PATIENT):
            try:
                while part := await self.reader.read(65536):
                    answered += part
            except ConnectionError:
                pass
        answers = [answer.partition(b"\r\n\r\n") for answer in answered.split(b"HTTP/1.1 ")[1:]]
        return [(int(head[:3]), body) for head, _, body in answers]

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer."""
        async with asyncio.timeout(PATIENT):
            head = await self.reader.readuntil(b"\r\n\r\n")
            (length,) = (
                int(line.split()[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            )
            return int(head.split()[1]), await self.reader.readexactly(length)


@asynccontextmanager
async def connected(application: Application, asgi: Asgi | None = None) -> AsyncIterator[Wire]:
    """A connection to a server of an application, or of another one with its metrics."""
    config = uvicorn.Config(asgi or application, log_config=None, timeout_keep_alive=1)
    config.load()
    state = ServerState()

    def connect() -> Connection:
        return Connection(
            config=config, server_state=state, app_state={}, metrics=application.metrics
        )

    server = await asyncio.get_running_loop().create_server(connect, HOST, 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1024)
        try:
            yield Wire(reader, writer, state.connections)
        finally:
            writer.close()


def told(application: Application, *parts: bytes) -> list[tuple[int, bytes]]:
    """What a connection is answered that sends some parts, until it ends."""

    async def tell() -> list[tuple[int, bytes]]:
        async with connected(application) as wire:
            saying = asyncio.ensure_future(wire.say(*parts))
            answers = await wire.all_answers()
            saying.cancel()
            return answers

    return asyncio.run(tell())


def counted(application: Application, series: str) -> float:
    return figure(application.metrics.text().decode(), series)


def filler(size: int) -> bytes:
    """Headers of so many bytes."""
    header, most = b"X-Filler: %s\r\n", 4000
    sizes = [most] * (size // most) + [size % most]
    return b"".join(header % (b"x" * (one - len(header % b""))) for one in sizes if one)


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 431)])
def test_headers_have_a_limit(application: Application, more: int, status: int) -> None:
    head = GET + filler(MAX_HEAD_BYTES - len(GET) - len(CLOSES) + more) + CLOSES
    ((found, body),) = told(application, head)
    assert found == status
    assert more == 0 or f"more than {MAX_HEAD_BYTES} bytes" in json.loads(body)["error"]


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

    def test_a_client_that_does_not_read_is_let_go(self, application: Application) -> None:
        async def tell() -> None:
            async with connected(application, answer_at_length) as wire:
                await wire.say(GET + END)
                async with asyncio.timeout(PATIENT):
                    while wire.open_connections:  # noqa: ASYNC110
                        await asyncio.sleep(BRIEF / 4)

        asyncio.run(tell())


async def answer_at_length(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answers with more than the buffers of two sockets hold."""
    await Reply(200, bytes(50_000_000)).send(send, request_id="a", closes=False)


async def drip(wire: Wire, drop: bytes) -> None:
    while True:
        await wire.say(drop)
        await asyncio.sleep(BRIEF / 10)


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
NOWHERE = b"POST /nowhere HTTP/1.1\r\nHost: a\r\n"


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


def test_what_follows_a_body_is_no_header(application: Application) -> None:
    body = b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY)
    trailers = b"X-Request-ID: smuggled\r\nContent-Type: text/plain\r\n\r\n"
    ((status, answer),) = told(application, CHUNKED.removesuffix(END) + CLOSES + body + trailers)
    assert status == 200
    assert b"smuggled" not in answer


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
