"""Bodies of JSON into columns.

JSON is the only format that is read; above all, nothing here unpickles.
"""

import json
import reprlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, cast

from serving.runtime.errors import Problem, RequestError
from serving.runtime.http.exchange import JSON_TYPE, HttpError
from serving.runtime.http.layouts import ColumnsLayout, Layout, PlacedProblem, RecordLayout, pointer
from serving.runtime.request import Columns


@dataclass(frozen=True)
class Body:
    """Columns, and how they lay in the body."""

    columns: Columns
    layout: Layout


def check_content_type(sent: str) -> None:
    """Checks that a body says that it is JSON.

    Raises:
        HttpError: It does not (415).
    """
    if sent != JSON_TYPE and sent.partition(";")[0].strip().lower() != JSON_TYPE:
        raise HttpError(415, f"the content type must be {JSON_TYPE}, got {sent or 'none'}")


def read_json(body: bytes) -> object:
    """The value that a body of JSON holds; names in an object must differ.

    Raises:
        HttpError: The body is not JSON (400).
        RequestError: It holds NaN or an infinity, or names a field twice.
    """
    try:
        return json.loads(body, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise HttpError(400, f"the body is not JSON: {error}") from error


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
    return Body({name: [value] for name, value in content.items()}, RecordLayout())


def _unique(pairs: list[tuple[str, object]]) -> Mapping[str, object]:
    """An object's fields; JSON allows a name twice, and the first of them would be lost."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        message = f"{reprlib.repr(twice)} stands there more than once; name each field once"
        raise RequestError(Problem(message, twice))
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise RequestError(f"{name} is not a number of JSON; send null for a missing reading")
