"""The HTTP side of the service: bodies, status codes and errors, and no maths.

A wrong request is answered with ``{"error": "what is wrong, where, and what was expected"}``: 400
if the body is not a JSON object, 415 if it does not say that it is JSON, 422 if its content is
wrong. JSON is the only format that is read; above all, nothing here unpickles.
"""

import json
from collections.abc import Mapping
from typing import NoReturn, Protocol, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from serving.runtime.errors import HistoryError, RequestError
from serving.runtime.request import Columns

JSON_TYPE = "application/json"


class Served(Protocol):
    """What answers the requests."""

    def answer(self, data: Columns) -> Mapping[str, object]:
        """The JSON object that answers a request's columns."""


def create_app() -> Starlette:
    """The application; whoever serves it puts what answers into ``app.state.served``."""
    return Starlette(
        routes=[Route("/predict", _predict, methods=["POST"])],
        exception_handlers={
            HTTPException: _answer_http_error,
            RequestError: _answer_content_error,
            HistoryError: _answer_content_error,
        },
    )


async def _predict(request: Request) -> JSONResponse:
    served: Served = request.app.state.served
    _check_content_type(request)
    return JSONResponse(served.answer(read_columns(await request.body())))


def _check_content_type(request: Request) -> None:
    sent = request.headers.get("content-type", "")
    if sent.partition(";")[0].strip().lower() != JSON_TYPE:
        raise HTTPException(415, f"the content type must be {JSON_TYPE}, got {sent or 'none'}")


def read_columns(body: bytes) -> Columns:
    """The columns in a body ``{"data": {column: [values...]}}``.

    Raises:
        HTTPException: The body is not JSON (400).
        RequestError: It has another structure, or names a column twice.
    """
    try:
        content = json.loads(body, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is not JSON: {error}") from error
    if not isinstance(content, dict) or set(content) != {"data"}:
        raise RequestError('the body must be an object with the one field "data"')
    if not isinstance(content["data"], dict):
        raise RequestError('"data" must be an object of columns: {"column": [values, ...], ...}')
    return cast(Columns, content["data"])


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object's fields; JSON allows a name twice, and the first of them would be lost."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RequestError(f"{twice!r} stands there more than once; name each column once")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise RequestError(f"{name} is not a number of JSON; send null for a missing reading")


async def _answer_http_error(_request: Request, error: Exception) -> JSONResponse:
    found = cast(HTTPException, error)
    return JSONResponse({"error": found.detail}, found.status_code, headers=found.headers)


async def _answer_content_error(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 422)
