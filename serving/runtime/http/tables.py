"""Tables of MLflow's scoring protocol into the columns that a model reads.

Other columns are left out. A value that a row lacks is None.
"""

import csv
import io
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from serving.runtime.errors import TOLD, RequestError
from serving.runtime.http.bodies import Body
from serving.runtime.http.exchange import HttpError
from serving.runtime.http.layouts import (
    FieldsLayout,
    Place,
    PlacedProblem,
    RecordsLayout,
    SplitLayout,
    ValuesLayout,
    pointer,
)

T = TypeVar("T")

SPLIT_FIELDS = ("columns", "data", "index")
_NAN = ("NaN", "nan", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN")
_NOT_AVAILABLE = ("NA", "N/A", "n/a", "<NA>", "#NA", "#N/A", "#N/A N/A")
MISSING = frozenset(("", "NULL", "null", "None", *_NAN, *_NOT_AVAILABLE))
"""What stands for a missing value in CSV; pandas has the same list."""


@dataclass(frozen=True)
class TableReader:
    """Reads tables.

    Attributes:
        names: The columns that are taken if they are there.
        max_rows: Rows that a table may have.
    """

    names: Sequence[str]
    max_rows: int

    def read_split(self, content: object, *, root: str) -> Body:
        """Reads `{"columns": [names...], "data": [[values...], ...], "index": [labels...]}`.

        The labels are not used. Rows may be shorter than the columns if one of them is not.

        Raises:
            RequestError: It has another structure.
        """
        names, rows = self._split_parts(content, root=root)
        positions = self._positions(names, root=root)
        lengths = set(map(len, rows))
        if lengths == {len(names)}:
            values = [*zip(*rows, strict=True)]
            columns = {name: values[position] for name, position in positions.items()}
            return Body(columns, SplitLayout(root, names))
        _check_lengths(rows, expected=len(names), place=(root, "data"))
        padded = {name: _column(rows, position) for name, position in positions.items()}
        return Body(padded, SplitLayout(root, names))

    def read_records(self, content: object, *, root: str) -> Body:
        """Reads `[{column: value, ...}, ...]`, one record for each row.

        Raises:
            RequestError: It has another structure.
        """
        form = '[{"column": value, ...}, ...]'
        rows = self._rows(content, kind=dict, form=form, place=(root,))
        layout = RecordsLayout(root)
        try:
            return Body({name: [row[name] for row in rows] for name in self.names}, layout)
        except KeyError:
            present = set().union(*rows)
            names = [name for name in self.names if name in present]
            return Body({name: [row.get(name) for row in rows] for name in names}, layout)

    def read_fields(self, content: Mapping[str, object], *, root: str) -> Body:
        """Reads `{column: [values...]}`; what is not a list is the same in each row.

        Raises:
            RequestError: There are too many rows.
        """
        rows = next((len(values) for values in content.values() if isinstance(values, list)), 1)
        self._check_count(rows, place=(root,))
        given = {name: content[name] for name in self.names if name in content}
        columns = {
            name: values if isinstance(values, list) else [values] * rows
            for name, values in given.items()
        }
        return Body(columns, FieldsLayout(root, content))

    def read_values(self, content: Sequence[object], *, root: str) -> Body:
        """Reads `[values...]`, the only column.

        Raises:
            RequestError: There are too many rows.
        """
        self._check_count(len(content), place=(root,))
        return Body({self.names[0]: content}, ValuesLayout(root))

    def read_csv(self, body: bytes) -> Body:
        """Reads comma-separated values in UTF-8, the first line with the names of the columns.

        Raises:
            HttpError: It is not UTF-8, or a quotation does not end as it should (400).
            RequestError: It has another structure.
        """
        names, *rows = _csv_lines(body)
        if not rows:
            raise RequestError("there are no rows; send at least one after the names of columns")
        self._check_count(len(rows), place=())
        _check_lengths(rows, expected=len(names))
        positions = {name: names.index(name) for name in self.names if name in names}
        columns = {
            name: [None if cell in MISSING else cell for cell in _column(rows, position)]
            for name, position in positions.items()
        }
        return Body(columns, RecordsLayout())

    def _split_parts(
        self, content: object, *, root: str
    ) -> tuple[list[object], list[list[object]]]:
        if not isinstance(content, dict):
            form = 'must be {"columns": [names...], "data": [[values...], ...]}'
            raise _wrong(form, content, root)
        for name in content:
            if name not in SPLIT_FIELDS:
                raise _wrong("is no part of a table: columns, data and index are", name, root, name)
        names, index = content.get("columns"), content.get("index")
        if not isinstance(names, list):
            raise _wrong("must be a list of the columns' names", names, root, "columns")
        place = (root, "data")
        rows = self._rows(content.get("data"), kind=list, form="[[values...], ...]", place=place)
        if index is not None and not (isinstance(index, list) and len(index) == len(rows)):
            labels = f"must be null or hold a label for each of the {len(rows)} rows"
            raise _wrong(labels, index, root, "index")
        return names, rows

    def _rows(self, content: object, *, kind: type, form: str, place: Place) -> list[Any]:
        """Checks that there are rows, all of one kind."""
        if not isinstance(content, list) or not content:
            raise _wrong(f"must be {form} with at least one row", content, *place)
        self._check_count(len(content), place=place)
        if set(map(type, content)) != {kind}:
            word = "an object" if kind is dict else "a list"
            wrong = ((row, value) for row, value in enumerate(content) if type(value) is not kind)
            problems = (
                _problem(f"must be {word}, one row of {form}", value, *place, row)
                for row, value in islice(wrong, TOLD)
            )
            raise RequestError(*problems)
        return content

    def _check_count(self, rows: int, *, place: Place) -> None:
        if rows > self.max_rows:
            path = pointer(*place)
            message = f"{path or 'the table'} has {rows} rows; at most {self.max_rows} are taken"
            raise RequestError(PlacedProblem(message, path=path))

    def _positions(self, names: list[object], *, root: str) -> Mapping[str, int]:
        """Where the columns stand; each of them has to be there once."""
        try:
            positions = {name: position for position, name in enumerate(names)}
        except TypeError:
            wrong = next(place for place, name in enumerate(names) if not _is_scalar(name))
            raise _wrong("must be a text", names[wrong], root, "columns", wrong) from None
        if len(positions) < len(names):
            for name in self.names:
                if names.count(name) > 1:
                    place = (root, "columns", positions[name])
                    raise _wrong("must be named once, but is there again", name, *place)
        return {name: positions[name] for name in self.names if name in positions}


def _column(rows: Sequence[Sequence[T]], position: int) -> list[T | None]:
    return [row[position] if position < len(row) else None for row in rows]


def _check_lengths(rows: Sequence[Sequence[object]], *, expected: int, place: Place = ()) -> None:
    """Checks that the longest of the rows has as many values as there are columns."""
    longest = max(map(len, rows))
    if longest == expected:
        return
    wrong = (row for row, values in enumerate(rows) if len(values) > expected)
    problems = [
        PlacedProblem(
            f"row {row} has {len(rows[row])} values, but there are {expected} columns",
            path=pointer(*place, row),
        )
        for row in islice(wrong, TOLD)
    ]
    short = f"there are {expected} columns, but no row has more than {longest} values"
    raise RequestError(*(problems or [PlacedProblem(short, path=pointer(*place))]))


def _csv_lines(body: bytes) -> list[list[str]]:
    """The lines that are not blank, the one of the columns' names first."""
    try:
        text = body.decode("utf-8-sig")
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        found = [line for line in lines if len(line) > 1 or "".join(line).strip()]
    except (UnicodeDecodeError, csv.Error) as error:
        raise HttpError(400, f"the body is not CSV in UTF-8: {error}") from error
    if not found:
        raise RequestError("the body is empty; its first line must hold the names of the columns")
    return found


def _is_scalar(name: object) -> bool:
    return not isinstance(name, list | dict)


def _problem(rule: str, value: object, *place: str | int) -> PlacedProblem:
    path = pointer(*place)
    got = "null" if value is None else reprlib.repr(value)
    return PlacedProblem(f"{path} {rule}, got {got}", path=path)


def _wrong(rule: str, value: object, *place: str | int) -> RequestError:
    return RequestError(_problem(rule, value, *place))
