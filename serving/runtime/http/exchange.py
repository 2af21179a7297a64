"""One request and its reply, as ASGI brings and takes them."""

import asyncio
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from serving.runtime.errors import MLAssetsError, RequestError
from serving.runtime.http.layouts import Layout, UnknownLayout, path_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Mapping[str, str]

JSON_TYPE = "application/json"
TOLD_FIELDS = 50
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


def new_request_id() -> str:
    """An id for a request to which its client gave none."""
    return secrets.token_hex(8)


class HttpError(MLAssetsError):
    """A request that is refused with a status of its own.

    Attributes:
        status: The HTTP status.
        headers: Headers of the reply.
    """

    def __init__(self, status: int, message: str, *, headers: Headers | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


class DisconnectedError(MLAssetsError):
    """The client went away before its request was complete."""


@dataclass(frozen=True)
class Reply:
    """What a request is answered with."""

    status: int
    body: bytes
    media_type: str = JSON_TYPE
    headers: Headers = field(default_factory=dict)

    @classmethod
    def of(cls, content: object, *, status: int = 200, headers: Headers | None = None) -> "Reply":
        """A reply of JSON."""
        return cls(status, json_bytes(content), headers=headers or {})

    async def send(self, send: Send, *, request_id: str, closes: bool) -> None:
        """Sends the reply."""
        headers = self.wire_headers(request_id, closes=closes)
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})

    def last_bytes(self, request_id: str) -> bytes:
        """The reply in HTTP/1.1, as the last of its connection."""
        lines = [
            b"HTTP/1.1 %d %s" % (self.status, HTTPStatus(self.status).phrase.encode()),
            *(b"%s: %s" % header for header in self.wire_headers(request_id, closes=True)),
        ]
        return b"\r\n".join([*lines, b"", self.body])

    def wire_headers(self, request_id: str, *, closes: bool) -> list[tuple[bytes, bytes]]:
        """The headers as bytes, those that every reply has included."""
        headers = [
            (b"content-type", self.media_type.encode()),
            (b"content-length", str(len(self.body)).encode()),
            (b"x-request-id", request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
            *((name.encode(), value.encode()) for name, value in self.headers.items()),
        ]
        if closes:
            headers.append((b"connection", b"close"))
        return headers


def json_bytes(content: object) -> bytes:
    """JSON in UTF-8, null for what is not finite; pydantic writes it faster than Python does."""
    try:
        return to_json(content, inf_nan_mode="null")
    except PydanticSerializationError:  # halves of surrogate pairs, which only escapes can tell
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def error_reply(
    status: int, message: str, *, request_id: str, headers: Headers | None = None
) -> Reply:
    """The one shape that all errors have.

    Args:
        status: The HTTP status.
        message: What is wrong, where, and what to do.
        request_id: The request's id.
        headers: Headers of the reply.
    """
    content = {"error": message, "request_id": request_id}
    return Reply.of(content, status=status, headers=headers)


def error_content(error: RequestError, *, layout: Layout, request_id: str) -> Mapping[str, object]:
    """What a wrong request is answered: the same shape, and the path of each wrong field."""
    fields = [
        {"path": path_of(problem, layout), "error": problem.message}
        for problem in error.problems[:TOLD_FIELDS]
    ]
    return {"error": str(error), "request_id": request_id, "fields": fields}


class Exchange:
    """A request while it is answered.

    Attributes:
        method: The HTTP method.
        path: The path of the address.
        request_id: The client's id of the request, or one of ours.
        rows: Rows that the request asked about, once that is known.
        layout: How its body holds columns, once that is known.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        given = self.headers.get(b"x-request-id", b"")
        self.request_id = given.decode() if _REQUEST_ID.fullmatch(given) else new_request_id()
        self.rows = 0
        self.layout: Layout = UnknownLayout()
        self._receive = receive

    def header(self, name: bytes) -> str:
        """A header's value, empty if it is not there."""
        return self.headers.get(name, b"").decode("latin-1")

    @property
    def declared_length(self) -> int | None:
        """Bytes of the body as the client says; None if it does not."""
        declared = self.header(b"content-length")
        return int(declared) if declared.isdigit() else None

    async def read_body(self, *, most: int, seconds: float) -> bytes:
        """The body of the request.

        Raises:
            HttpError: It is larger than ``most`` bytes (413), or takes longer than that (408).
            DisconnectedError: The client went away.
        """
        if (self.declared_length or 0) > most:
            raise _too_large(most)
        try:
            async with asyncio.timeout(seconds):
                return await self._read_parts(most=most)
        except TimeoutError:
            raise HttpError(408, f"the body did not arrive within {seconds:g} s") from None

    async def _read_parts(self, *, most: int) -> bytes:
        parts, size = [], 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise DisconnectedError("the client went away before its request was complete")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                raise _too_large(most)
            if not message.get("more_body"):
                return b"".join(parts)


def _too_large(most: int) -> HttpError:
    return HttpError(
        413, f"the body has more than {most} bytes; send fewer rows in each of several requests"
    )
