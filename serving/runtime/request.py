"""The columns of a request: their names, lengths and types, with every mistake named.

Rows are counted from 0, as the positions in a column's list. Numbers are JSON numbers; ``null`` is
a missing one. Text that looks like a number, booleans, NaN and infinities are refused, and so are
numbers that float32, the type of the features, can't hold.
"""

import reprlib
from collections.abc import Collection, Mapping, Sequence
from types import NoneType

import numpy as np
from numpy.typing import NDArray

from serving.runtime.errors import RequestError

Columns = Mapping[str, Sequence[object]]

LARGEST = float(np.finfo(np.float32).max)
"""The largest magnitude of a number in a request."""


def check_columns(data: Columns, *, required: Sequence[str], optional: Collection[str]) -> None:
    """Checks that the columns are the expected ones, lists, and equally long.

    Args:
        data: The request's columns.
        required: Columns that must be there, in the order in which messages list them.
        optional: Columns that may be there.

    Raises:
        RequestError: If a column is missing, unknown, no list, or of another length than the
            first required one, or if there are no rows.
    """
    allowed = (*required, *optional)
    _check_names(data, required=required, allowed=allowed)
    for name, values in data.items():
        if not isinstance(values, list | tuple):
            raise RequestError(f"column {name!r} must be a list, got {reprlib.repr(values)}")
    first, rows = required[0], len(data[required[0]])
    for name, values in data.items():
        if len(values) != rows:
            raise RequestError(
                f"column {name!r} has {len(values)} rows, but {first!r} has {rows}; all columns "
                "must be equally long"
            )
    if rows == 0:
        raise RequestError(f"column {first!r} is empty; send at least one row")


def _check_names(data: Columns, *, required: Sequence[str], allowed: Sequence[str]) -> None:
    for name in data:
        if name not in allowed:
            raise RequestError(f"unknown column {name!r}; allowed are {', '.join(allowed)}")
    for name in required:
        if name not in data:
            raise RequestError(f"column {name!r} is missing; needed are {', '.join(required)}")


def numbers(name: str, values: Sequence[object]) -> NDArray[np.float64]:
    """Reads a column of numbers.

    Args:
        name: The column's name, for messages.
        values: Numbers, ``None`` where one is missing.

    Returns:
        The numbers, shape (n,), NaN where one is missing.

    Raises:
        RequestError: If a value is anything else, not finite, or too large for float32.
    """
    kinds = set(map(type, values))
    if any(kind is bool or not issubclass(kind, int | float | NoneType) for kind in kinds):
        _refuse(name, values)
    try:
        array = np.array(values, dtype=np.float64)
    except OverflowError:
        _refuse(name, values)
    fits = np.abs(array) <= LARGEST
    if not fits.all() and any(values[row] is not None for row in np.flatnonzero(~fits).tolist()):
        _refuse(name, values)
    return array


def _refuse(name: str, values: Sequence[object]) -> None:
    row = next(row for row, value in enumerate(values) if not _is_number_or_null(value))
    raise RequestError(
        f"column {name!r}, row {row}: expected a finite number of at most {LARGEST:.1e} or null, "
        f"got {reprlib.repr(values[row])}"
    )


def _is_number_or_null(value: object) -> bool:
    if value is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= LARGEST


def identifiers(name: str, values: Sequence[object]) -> Sequence[str]:
    """Reads a column of entity ids: printable text, or whole numbers that are taken as text.

    Raises:
        RequestError: If a value is anything else, or an empty text.
    """
    if set(map(type, values)) <= {str, int} and all(map(_is_id, set(values))):
        return [*map(str, values)]
    for row, value in enumerate(values):
        if not _is_id(value):
            raise RequestError(
                f"column {name!r}, row {row}: expected an id (a text or a whole number), got "
                f"{reprlib.repr(value)}"
            )
    return [*map(str, values)]


def _is_id(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return False
    text = str(value)
    return text.isprintable() and text != ""
