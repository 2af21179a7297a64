"""One connection: limits for all that is no body, and answers where no request comes to be."""

import asyncio
from functools import partial
from typing import Any

import httptools
from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.runtime.http import logs
from serving.runtime.http.clock import Clock
from serving.runtime.http.closing import PatientTransport
from serving.runtime.http.exchange import error_reply, new_request_id
from serving.runtime.http.metrics import Metrics

MAX_HEAD_BYTES = 64 * 1024
"""Size of a request's first line and headers, and of what follows its body."""

HEAD_SECONDS = 10.0
"""How long a client may take to send them."""

SHUTDOWN_SECONDS = 20.0
"""How long the last requests of a service that ends may take."""

REST_SECONDS = 30.0
"""How long a client may take to send the rest of a body that was answered before it was there."""


class PipelinedError(Exception):
    """A request began before the one before it was answered."""


class Connection(HttpToolsProtocol):
    """A connection of uvicorn's that can't be made to wait, or to hold things, for ever.

    uvicorn takes any number of headers, waits for them without end, keeps all requests that come
    before the answer to the first, and tells mistakes in plain text.

    Here a connection is in the hands of the application from the end of a request's headers to the
    end of its answer. At all other times a clock runs for the client: ours for headers and for the
    rest of a body, uvicorn's until a next request begins. A request that comes before the answer
    to another is not read: that answer ends the connection.
    """

    def __init__(self, *given: Any, metrics: Metrics, **named: Any) -> None:
        """Takes what uvicorn gives, and where refusals are counted."""
        super().__init__(*given, **named)
        self._metrics = metrics
        self._head_bytes = 0
        self._has_progress = False
        self._is_in_body = False
        self._is_over = False
        self._has_ended = False
        self._clock = Clock(self.loop)

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _may_send_more(self) -> bool:
        """Whether the client may be in the middle of something, which then is not read."""
        return not self._has_ended and (self._is_over or self._is_in_body or self._head_bytes > 0)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        self._patient = PatientTransport(transport, self.loop, lingers=lambda: self._may_send_more)
        super().connection_made(self._patient)  # type: ignore[arg-type]
        self._clock.start(HEAD_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._clock.stop()
        self._patient.stop()
        super().connection_lost(exc)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """The client says no more, but may still read the answer to what it has said."""
        if not self._is_answering or self._is_in_body:
            return None
        self._has_ended = True
        self.end()
        return True

    def data_received(self, data: bytes) -> None:
        """Reads what came, of headers no more than a request may have."""
        while data and not self._is_over and not self.transport.is_closing():
            room = MAX_HEAD_BYTES - self._head_bytes
            part, data = data[:room], data[room:]
            self._read(part)

    def _read(self, part: bytes) -> None:
        self._has_progress = False
        try:
            self.parser.feed_data(part)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_body(part[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(400, "what came can't be read as HTTP/1.1: mend its first line or headers")
        if not self._has_progress:
            self._head_bytes += len(part)
        if self._head_bytes >= MAX_HEAD_BYTES:
            self._refuse(431, f"the headers have more than {MAX_HEAD_BYTES} bytes")

    def _read_body(self, begin: bytes) -> None:
        """Reads the body of a request that asks for another protocol: a parser leaves it out."""
        framing = (b"content-length", b"transfer-encoding")
        lines = [b"%s: %s" % header for header in self.headers if header[0] in framing]
        self.parser = httptools.HttpRequestParser(BodyReader(self, self.parser))
        self._read(b"\r\n".join([b"POST / HTTP/1.1", *lines, b"", begin]))

    def on_message_begin(self) -> None:
        """The first byte of a request was read."""
        if self._is_answering:
            self.end()
            raise PipelinedError
        super().on_message_begin()
        self._unset_keepalive_if_required()
        self._clock.start(HEAD_SECONDS, self._give_up)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header was read; one that follows a body has no meaning here."""
        if not self._is_in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """All that comes before a body was read."""
        super().on_headers_complete()
        self._note_progress()
        self._is_in_body = True
        self._clock.stop()

    def on_body(self, body: bytes) -> None:
        """Some of a body was read."""
        self._note_progress()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The last byte of a request was read."""
        if self.parser.should_upgrade():
            return  # its body is still to come
        self._note_progress()
        self._is_in_body = False
        super().on_message_complete()
        if not self._is_answering:
            self._clock.stop()
            self._await_request()

    def on_response_complete(self) -> None:
        """A request was answered, maybe before its body was there."""
        super().on_response_complete()
        if self._is_in_body:
            self._unset_keepalive_if_required()
            self._clock.start(REST_SECONDS, self.transport.close)

    def _note_progress(self) -> None:
        self._head_bytes, self._has_progress = 0, True

    def _await_request(self) -> None:
        """Does what uvicorn does after an answer."""
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _should_upgrade(self) -> bool:
        """Never to another protocol, above all to none that has no limits."""
        return False

    def _give_up(self) -> None:
        if self._head_bytes:
            self._refuse(408, f"the headers did not arrive within {HEAD_SECONDS:g} s")
        else:
            self.transport.close()

    def shutdown(self) -> None:
        """The service ends, and this connection with its answer."""
        super().shutdown()
        self._patient.abort_after(SHUTDOWN_SECONDS)

    def end(self) -> None:
        """Reads no more; the answer that is owed is the last."""
        self._is_over = True
        if self._is_answering:
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    def _refuse(self, status: int, message: str) -> None:
        """Answers and reads no more: where a next request would begin is not known."""
        if self._is_over:
            return
        owes_another = self._is_answering and not self._is_in_body
        has_told = self._is_in_body and (not self._is_answering or self.cycle.response_started)
        if owes_another or has_told:
            self.end()
            return
        self._is_over = True
        if self._is_answering:
            self.cycle.disconnected = True  # the application waits for a body that does not come
            self.cycle.message_event.set()
        request_id = new_request_id()
        self._metrics.count_refusal(status)
        logs.log_refusal(request_id, status=status)
        reply = error_reply(status, message, request_id=request_id)
        self.transport.write(reply.last_bytes(request_id))
        self.transport.close()


class BodyReader:
    """Takes a body, and nothing else, from a parser that was given a head of our own."""

    def __init__(self, connection: Connection, parser: httptools.HttpRequestParser) -> None:
        """Takes whose body it is, and the parser of what follows."""
        self._connection = connection
        self._parser = parser
        self._has_begun = False

    def on_message_begin(self) -> None:
        """Our head begins, or a request behind the body."""
        if self._has_begun:
            self._connection.end()
            raise PipelinedError
        self._has_begun = True

    def on_body(self, body: bytes) -> None:
        """Some of the body was read."""
        self._connection.on_body(body)

    def on_message_complete(self) -> None:
        """The last byte of the body was read."""
        self._connection.on_message_complete()
        self._connection.parser = self._parser


def install_protocol(metrics: Metrics) -> None:
    """Lets uvicorn make such connections; BentoML, which starts it, has no setting for it."""
    HTTP_PROTOCOLS["auto"] = partial(Connection, metrics=metrics)  # type: ignore[assignment]
