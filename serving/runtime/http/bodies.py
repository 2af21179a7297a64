"""Bodies of JSON into columns.

JSON is the only format that is read; above all, nothing here unpickles.
"""

import json
import reprlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from serving.runtime.errors import TOLD, RequestError
from serving.runtime.http.exchange import JSON_TYPE, Exchange, HttpError
from serving.runtime.http.layouts import (
    ColumnsLayout,
    Layout,
    Place,
    PlacedProblem,
    RecordLayout,
    pointer,
)
from serving.runtime.request import Columns

Hook = Callable[[list[tuple[str, object]]], Mapping[str, object]]


@dataclass(frozen=True)
class Body:
    """Columns, and how they lay in the body."""

    columns: Columns
    layout: Layout


def check_content_type(exchange: Exchange, *, taken: Sequence[str] = (JSON_TYPE,)) -> str:
    """The media type of a body, which must be one of those that are taken, in UTF-8.

    Raises:
        HttpError: It is another one, in another charset, or compressed (415).
    """
    sent = exchange.header(b"content-type")
    encoding = exchange.header(b"content-encoding")
    if encoding not in ("", "identity"):
        raise HttpError(415, f"the body must not be encoded, got content-encoding {encoding}")
    if sent in taken:
        return sent
    kind, *parameters = (part.strip().lower() for part in sent.split(";"))
    if kind not in taken:
        raise HttpError(415, f"the content type must be {' or '.join(taken)}, got {sent or 'none'}")
    for parameter in parameters:
        if parameter.replace('"', "") not in {"charset=utf-8", ""}:
            raise HttpError(
                415, f"beside the content type only charset=utf-8 is taken, got {parameter}"
            )
    return kind


class _Repeated(dict[str, object]):
    """An object that names a field more than once."""

    def __init__(self, fields: Mapping[str, object], *, twice: str) -> None:
        super().__init__(fields)
        self.twice = twice


def read_json(body: bytes) -> object:
    """The value that a body of JSON holds; names in an object must differ.

    NaN and infinities are read, though JSON has none, so that who needs numbers names their place.

    Raises:
        HttpError: The body is not JSON (400).
        RequestError: An object names a field twice.
    """
    repeated: list[_Repeated] = []

    def unique(pairs: list[tuple[str, object]]) -> Mapping[str, object]:
        fields = dict(pairs)
        if len(fields) == len(pairs) or len(repeated) == TOLD:
            return fields
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        repeated.append(_Repeated(fields, twice=twice))
        return repeated[-1]

    if not body.strip():
        raise HttpError(400, "the body is empty; send JSON")
    try:
        content: object = _loads(body, unique, repeated)
    except ValueError as error:
        raise HttpError(400, f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise HttpError(400, "the body is nested too deep") from error
    if repeated:
        raise RequestError(
            *(
                PlacedProblem(
                    f"{reprlib.repr(one.twice)} stands there more than once; name it once",
                    path=pointer(*place),
                )
                for one, place in zip(repeated, _places(content, repeated), strict=True)
            )
        )
    return content


def _loads(body: bytes, unique: Hook, repeated: list[_Repeated]) -> object:
    try:
        return json.loads(body, object_pairs_hook=unique)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError:  # an integer of more digits than Python reads, beyond any float
        repeated.clear()
        return json.loads(body, object_pairs_hook=unique, parse_int=float)


def _places(content: object, repeated: Sequence[_Repeated]) -> Iterator[Place]:
    """Where the fields stand that objects repeat; the body as a whole for what it dropped."""
    places: dict[int, Place] = {}
    above: list[str | int] = []
    walks: list[Iterator[tuple[str | int, object]]] = [iter([("", content)])]
    while walks and len(places) < len(repeated):
        for at, part in walks[-1]:
            if part and isinstance(part, list | dict):
                walks.append(_fields(part))
                above.append(at)
                if isinstance(part, _Repeated):
                    places[id(part)] = (*above[1:], part.twice)
                break
        else:
            walks.pop()
            del above[-1:]
    return (places.get(id(one), ()) for one in repeated)


def _fields(part: list[object] | dict[str, object]) -> Iterator[tuple[str | int, object]]:
    yield from part.items() if isinstance(part, dict) else enumerate(part)


def read_columns(body: bytes) -> Body:
    """The columns in `{"data": {column: [values...]}}`, or in one flat record.

    Raises:
        HttpError: The body is not JSON (400).
        RequestError: It has another structure.
    """
    content = read_json(body)
    if not isinstance(content, dict) or not content:
        raise RequestError(
            'the body must be an object: {"data": {"column": [values, ...], ...}}, or one row as '
            '{"column": value, ...}'
        )
    data = content.get("data")
    if isinstance(data, dict):
        if len(content) > 1:
            other = next(name for name in content if name != "data")
            raise RequestError(
                PlacedProblem(
                    f'beside "data" there must be nothing, got {reprlib.repr(other)}',
                    path=pointer(other),
                )
            )
        return Body(cast(Columns, data), ColumnsLayout("data"))
    if "data" in content and (len(content) == 1 or isinstance(data, list)):
        raise RequestError(
            PlacedProblem(
                '"data" must be an object of columns: {"column": [values, ...], ...}', path="/data"
            )
        )
    if any(isinstance(value, list) for value in content.values()):
        raise RequestError(
            'lists of values belong into "data": {"data": {"column": [values, ...], ...}}'
        )
    return Body({name: [value] for name, value in content.items()}, RecordLayout())
