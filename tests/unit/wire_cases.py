"""A client that says byte by byte what it wants, and a server in this process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from serving.runtime.http.application import Application
from serving.runtime.http.connection import Connection
from serving.runtime.http.exchange import Receive, Scope, Send
from tests.unit.http_cases import figure

HOST = "127.0.0.1"
BRIEF, PATIENT = 0.2, 20.0
PART = 256 * 1024
GET = b"GET /health HTTP/1.1\r\nHost: a\r\n"
END = b"\r\n"
CLOSES = b"Connection: close\r\n\r\n"
POST = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = b'{"length": 1.0, "width": 2.0}'
ASK = POST + b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
NOWHERE = b"POST /nowhere HTTP/1.1\r\nHost: a\r\n"

Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Wire:
    """A client's end of a connection.

    Attributes:
        open_connections: Those that the server has.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    open_connections: set[Any]

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

    async def answer(self, *, pause: float = 0.0) -> tuple[int, bytes]:
        """Status and body of the next answer, read with pauses."""
        async with asyncio.timeout(PATIENT):
            head = await self.reader.readuntil(b"\r\n\r\n")
            (length,) = (
                int(line.split()[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            )
            body = bytearray()
            while len(body) < length:
                body += await self.reader.readexactly(min(PART, length - len(body)))
                await asyncio.sleep(pause)
            return int(head.split()[1]), bytes(body)


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
