"""The HTTP application: which route answers what, who may ask, how many at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from serving.runtime.errors import RequestError
from serving.runtime.http import logs
from serving.runtime.http.draining import Drain
from serving.runtime.http.exchange import (
    DisconnectedError,
    Exchange,
    HttpError,
    Receive,
    Reply,
    Scope,
    Send,
    error_content,
    error_reply,
)
from serving.runtime.http.keys import ApiKeys
from serving.runtime.http.metrics import OTHER, Metrics
from serving.runtime.http.pages import FOLDER
from serving.runtime.http.slots import Slots

Handler = Callable[[Exchange], Awaitable[Reply]]
Closer = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Route:
    """What answers at a path.

    Attributes:
        handler: Answers a request.
        method: The one method that it takes; where that is GET, HEAD is taken too.
        is_open: Whether it answers without a key.
        is_limited: Whether its requests count for the limit of requests in hand.
    """

    handler: Handler
    method: str = "GET"
    is_open: bool = False
    is_limited: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that it takes."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)


class Application:
    """Answers HTTP requests, as an ASGI application.

    Attributes:
        drain: Whether it is about to end.
        metrics: Where requests are counted.
    """

    def __init__(
        self,
        routes: Mapping[str, Route],
        *,
        metrics: Metrics,
        drain: Drain,
        max_concurrency: int,
        keys: ApiKeys | None = None,
        closers: Sequence[Closer] = (),
    ) -> None:
        """Takes what answers, and how much of it at a time.

        Args:
            routes: What answers at which path.
            metrics: Where requests are counted.
            drain: The end of the worker.
            max_concurrency: Requests in hand at which one more is refused.
            keys: Keys, one of which a client must show; None if anybody may ask.
            closers: What is done at the very end.
        """
        self._routes = routes
        self.metrics = metrics
        self.drain = drain
        self._keys = keys
        self._closers = closers
        self._slots = Slots(max_concurrency, kind="requests")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, whatever happens; or starts and ends with the server."""
        if scope["type"] != "http":
            await self._live(receive, send)
            return
        started = time.perf_counter()
        exchange = Exchange(scope, receive)
        route = self._routes.get(exchange.path)
        try:
            reply = await self._answer(exchange, route)
            await reply.send(send, request_id=exchange.request_id, closes=self.drain.has_begun)
            status = reply.status
        except DisconnectedError:
            status = 499
        seconds = time.perf_counter() - started
        name = OTHER if route is None else exchange.path
        self.metrics.count_request(name, status=status, seconds=seconds)
        logs.log_request(exchange, route=name, status=status, seconds=seconds)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self.drain.follow_signals()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for close in self._closers:
            await close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, exchange: Exchange, route: Route | None) -> Reply:
        try:
            return await self._handle(exchange, self._checked(exchange, route))
        except HttpError as error:
            return error_reply(
                error.status, str(error), request_id=exchange.request_id, headers=error.headers
            )
        except RequestError as error:
            content = error_content(error, layout=exchange.layout, request_id=exchange.request_id)
            return Reply.of(content, status=422)
        except DisconnectedError:
            raise
        except Exception as error:  # noqa: BLE001  # told without what it says, which may be data
            logs.log_failure(exchange, error)
            return error_reply(
                500,
                "the service failed; tell its operator the request_id",
                request_id=exchange.request_id,
            )

    def _checked(self, exchange: Exchange, route: Route | None) -> Route:
        if route is None:
            known = ", ".join(path for path in self._routes if not path.startswith(FOLDER))
            raise HttpError(404, f"there is nothing at this address; there is {known}")
        if exchange.method not in route.methods:
            allowed = ", ".join(route.methods)
            raise HttpError(405, f"this address takes {allowed} only", headers={"allow": allowed})
        if self._keys is not None and not route.is_open:
            self._keys.check(exchange.header(b"authorization"))
        return route

    async def _handle(self, exchange: Exchange, route: Route) -> Reply:
        if not route.is_limited:
            return await route.handler(exchange)
        with self._slots.one(), self.metrics.in_progress.track_inprogress():
            # All that have arrived are counted before the first of them is computed.
            await asyncio.sleep(0)
            return await route.handler(exchange)
