"""What a connection is answered where no request comes to be: too large, too slow, or no HTTP."""

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Any

from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.runtime.http import logs
from serving.runtime.http.exchange import error_reply, new_request_id
from serving.runtime.http.metrics import OTHER, Metrics

MAX_HEAD_BYTES = 64 * 1024
"""Size of a request's first line and headers."""

HEAD_SECONDS = 10.0
"""How long a client may take to send them."""


class Connection(HttpToolsProtocol):
    """A connection of uvicorn's, with limits of what comes before a request's body.

    uvicorn would take any number of headers, wait for them for ever, and answer in plain text.
    """

    def __init__(self, *given: Any, metrics: Metrics, **named: Any) -> None:
        """Takes what uvicorn gives, and where requests are counted."""
        super().__init__(*given, **named)
        self._metrics = metrics
        self._head_bytes = 0
        self._message_ended = False
        self._has_refused = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there, and has some time to ask."""
        super().connection_made(transport)
        self._start_clock()

    def data_received(self, data: bytes) -> None:
        """Reads what came, but of a head no more than it may have."""
        while data and not self._has_refused and not self.transport.is_closing():
            room = MAX_HEAD_BYTES - self._head_bytes
            part, data = data[:room], data[room:]
            self._message_ended = False
            super().data_received(part)
            # A part that ends a request and begins another is not counted for the new head.
            if self._is_in_head and not self._message_ended:
                self._head_bytes += len(part)
            if self._head_bytes == MAX_HEAD_BYTES:
                self._refuse(431, f"the headers have more than {MAX_HEAD_BYTES} bytes")

    def on_message_begin(self) -> None:
        """The first byte of a request was read."""
        super().on_message_begin()
        self._start_clock()

    def on_headers_complete(self) -> None:
        """All that comes before a body was read."""
        self._stop_clock()
        self._head_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The last byte of a request was read."""
        self._message_ended = True
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_clock()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # it says that it is no HTTP
        """What came could not be read by uvicorn."""
        self._refuse(400, "what came can't be read as HTTP/1.1: mend its first line or headers")

    @property
    def _is_in_head(self) -> bool:
        return self._deadline is not None

    @property
    def _owes_an_answer(self) -> bool:
        """Whether a request that came whole is not answered yet."""
        if self.cycle is None or self.cycle.response_complete:
            return False
        return bool(self.pipeline) or self.cycle.response_started or not self.cycle.more_body

    def _start_clock(self) -> None:
        self._stop_clock()
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if self._head_bytes:
            self._refuse(408, f"the headers did not arrive within {HEAD_SECONDS:g} s")
        else:
            self.transport.close()

    def _refuse(self, status: int, message: str) -> None:
        """Answers, and ends the connection: where a next request would begin is not known."""
        if self._has_refused or self.transport.is_closing():
            return
        self._has_refused = True
        self._stop_clock()
        request_id = new_request_id()
        self._metrics.count_request(OTHER, status=status, seconds=0.0)
        logs.log_refusal(request_id, status=status)
        if self._owes_an_answer:
            self.cycle.keep_alive = False  # the connection ends with that answer
            return
        reply = error_reply(status, message, request_id=request_id)
        lines = [
            b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode()),
            *(b"%s: %s" % header for header in reply.wire_headers(request_id, closes=True)),
        ]
        self.transport.write(b"\r\n".join([*lines, b"", reply.body]))
        self.transport.close()


def answer_connections(metrics: Metrics) -> None:
    """Lets uvicorn make such connections; BentoML, which starts it, has no setting for it."""
    HTTP_PROTOCOLS["auto"] = partial(Connection, metrics=metrics)  # type: ignore[assignment]
