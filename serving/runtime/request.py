"""The columns of a request: their names, lengths and types, with every mistake named.

Rows are counted from 0, as the positions in a column's list. Numbers are JSON numbers; ``null`` is
a missing one. Text that looks like a number, booleans, NaN and infinities are refused, and so are
numbers that float32, the type of the features, can't hold.
"""

import reprlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from types import NoneType

import numpy as np
from numpy.typing import NDArray

from serving.runtime.errors import TOLD, Problem, RequestError

Columns = Mapping[str, Sequence[object]]

LARGEST = float(np.finfo(np.float32).max)
"""The largest magnitude of a number in a request."""
LISTED = 50
"""How many columns a message lists, and how many unknown ones are named."""


class Findings:
    """Gathers what is wrong in the parts of a request, so that all of it is told at once."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Keeps the problems that the block raises."""
        try:
            yield
        except RequestError as error:
            self.problems += error.problems

    def tell(self) -> None:
        """Raises RequestError if there are problems."""
        if self.problems:
            raise RequestError(*self.problems)


def check_columns(data: Columns, *, required: Sequence[str], optional: Collection[str]) -> None:
    """Checks that the columns are the expected ones, lists, and equally long.

    Args:
        data: The request's columns.
        required: Columns that must be there, in the order in which messages list them.
        optional: Columns that may be there.

    Raises:
        RequestError: A column is missing, unknown, no list, or of another length than the first
            required one, or there are no rows.
    """
    allowed = (*required, *optional)
    _tell_any(_wrong_names(data, required=required, allowed=allowed))
    _tell_any(
        Problem(f"column {name!r} must be a list, got {shown(values)}", name)
        for name, values in data.items()
        if not isinstance(values, list | tuple)
    )
    first, rows = required[0], len(data[required[0]])
    _tell_any(
        Problem(
            f"column {name!r} has {len(values)} rows, but {first!r} has {rows}; all columns must "
            "be equally long",
            name,
        )
        for name, values in data.items()
        if len(values) != rows
    )
    if rows == 0:
        raise RequestError(Problem(f"column {first!r} is empty; send at least one row", first))


def _tell_any(problems: Iterator[Problem]) -> None:
    found = [*problems]
    if found:
        raise RequestError(*found)


def _wrong_names(
    data: Columns, *, required: Sequence[str], allowed: Sequence[str]
) -> Iterator[Problem]:
    """Columns that are there or missing against the rules; the first of a kind tells the rule."""
    known = {*allowed}
    unknown = [name for name in data if name not in known]
    of_many = f", one of {len(unknown)} such" if len(unknown) > LISTED else ""
    advice = f"{of_many}; allowed are {_listed(allowed)}"
    for name in unknown[:LISTED]:
        yield Problem(f"unknown column {reprlib.repr(name)}{advice}", name)
        advice = ""
    advice = f"; needed are {_listed(required)}"
    for name in required:
        if name not in data:
            yield Problem(f"column {name!r} is missing{advice}", name)
            advice = ""


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def number_rows(
    data: Columns, names: Sequence[str], *, complete: bool = False, largest: float = LARGEST
) -> NDArray[np.float64]:
    """Reads columns of numbers.

    Args:
        data: Lists of equal length by column name: numbers, ``None`` where one is missing.
        names: The p columns to read.
        complete: Whether none may be missing.
        largest: The largest magnitude of a number.

    Returns:
        The numbers, shape (n, p), NaN where one is missing.

    Raises:
        RequestError: Values are anything else, not finite, or too large.
    """
    columns = [data[name] for name in names]
    kinds = set(map(type, chain.from_iterable(columns)))
    if all(issubclass(kind, int | float | NoneType) and kind is not bool for kind in kinds):
        try:
            numbers = np.array(columns, dtype=np.float64)
        except OverflowError:
            pass
        else:
            unfit = np.argwhere(~(np.abs(numbers) <= largest))
            if not len(unfit) or (
                not complete and all(columns[column][row] is None for column, row in unfit.tolist())
            ):
                return numbers.T
    raise RequestError(
        *chain.from_iterable(
            _wrong_numbers(name, data[name], complete=complete, largest=largest) for name in names
        )
    )


def _wrong_numbers(
    name: str, values: Sequence[object], *, complete: bool, largest: float
) -> Iterator[Problem]:
    expected = (
        f"a finite number of at most {largest:.1e} {'in every row' if complete else 'or null'}"
    )

    def is_right(value: object) -> bool:
        return _is_number(value, largest=largest) or (value is None and not complete)

    return _wrong_values(name, values, is_right=is_right, expected=expected)


def _wrong_values(
    name: str, values: Sequence[object], *, is_right: Callable[[object], bool], expected: str
) -> Iterator[Problem]:
    """The first wrong values of a column."""
    wrong = ((row, value) for row, value in enumerate(values) if not is_right(value))
    for row, value in islice(wrong, TOLD):
        yield wrong_value(name, row, value, expected=expected)


def wrong_value(name: str, row: int, value: object, *, expected: str) -> Problem:
    """Tells that a value is not what was expected."""
    message = f"column {name!r}, row {row}: expected {expected}, got {shown(value)}"
    return Problem(message, name, row)


def shown(value: object) -> str:
    """A value of a request in short, its constants spelt as in JSON."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else reprlib.repr(value)


def _is_number(value: object, *, largest: float) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= largest


def texts(name: str, values: Sequence[object], *, expected: str) -> list[str]:
    """Reads a column of texts.

    Args:
        name: The column's name, for messages.
        values: The texts.
        expected: What a text should be, for messages.

    Raises:
        RequestError: A value is no text.
    """
    found = [value for value in values if isinstance(value, str)]
    if len(found) < len(values):
        raise RequestError(*_wrong_values(name, values, is_right=_is_text, expected=expected))
    return found


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def identifiers(name: str, values: Sequence[object]) -> list[str]:
    """Reads a column of entity ids: printable text, or whole numbers that are taken as text.

    Raises:
        RequestError: A value is anything else, or an empty text.
    """
    if set(map(type, values)) <= {str, int} and all(map(_is_id, set(values))):
        return [*map(str, values)]
    expected = "an id (a text of printable letters, not empty, or a whole number)"
    problems = [*_wrong_values(name, values, is_right=_is_id, expected=expected)]
    if problems:
        raise RequestError(*problems)
    return [*map(str, values)]


def _is_id(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return False
    text = str(value)
    return text.isprintable() and text != ""
