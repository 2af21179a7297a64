"""How bodies hold columns, and so the place of each mistake in a body."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Protocol

from serving.runtime.errors import Problem

Place = tuple[str | int, ...]

LONGEST = 500
"""Letters of a pointer: names can be as long as a body."""


class Layout(Protocol):
    """How a body holds columns."""

    def path(self, problem: Problem) -> str:
        """The JSON pointer (RFC 6901) of what is wrong."""


@dataclass(frozen=True)
class UnknownLayout:
    """That of a body which could not be read, so that a mistake is the body's as a whole."""

    def path(self, problem: Problem) -> str:  # noqa: ARG002
        """See :class:`Layout`."""
        return ""


@dataclass(frozen=True)
class ColumnsLayout:
    """`{root: {column: [values...]}}`.

    Attributes:
        root: Name of the field that holds the columns.
    """

    root: str

    def path(self, problem: Problem) -> str:
        """See :class:`Layout`."""
        return pointer(self.root, problem.column, problem.row)


@dataclass(frozen=True)
class BodyLayout:
    """`{field: value, field: [values...], ...}`."""

    def path(self, problem: Problem) -> str:
        """See :class:`Layout`."""
        return pointer(problem.column, problem.row)


@dataclass(frozen=True)
class RecordLayout:
    """`{column: value, ...}`, one row."""

    def path(self, problem: Problem) -> str:
        """See :class:`Layout`."""
        return pointer(problem.column)


@dataclass(frozen=True)
class FieldsLayout:
    """`{root: {column: [values...]}}`, or a value for a list where it is the same in all rows.

    Attributes:
        root: Name of the field that holds the columns.
        fields: The columns.
    """

    root: str
    fields: Mapping[str, object]

    def path(self, problem: Problem) -> str:
        """See :class:`Layout`."""
        is_list = isinstance(self.fields.get(problem.column or ""), list)
        return pointer(self.root, problem.column, problem.row if is_list else None)


@dataclass(frozen=True)
class RecordsLayout:
    """`{root: [{column: value, ...}, ...]}`.

    Attributes:
        root: Name of the field that holds the rows; None if they stand on their own.
    """

    root: str | None = None

    def path(self, problem: Problem) -> str:
        """See :class:`Layout`; a column as a whole has no place of its own."""
        return pointer(self.root, *([] if problem.row is None else [problem.row, problem.column]))


@dataclass(frozen=True)
class SplitLayout:
    """`{root: {"columns": [names...], "data": [[values...], ...]}}`.

    Attributes:
        root: Name of the field that holds the table.
        names: The names of its columns.
    """

    root: str
    names: Sequence[object]

    def path(self, problem: Problem) -> str:
        """See :class:`Layout`."""
        if problem.column is None:
            return pointer(self.root, "data", problem.row)
        if problem.column not in self.names:
            return pointer(self.root, "columns")
        position = self.names.index(problem.column)
        if problem.row is None:
            return pointer(self.root, "columns", position)
        return pointer(self.root, "data", problem.row, position)


@dataclass(frozen=True)
class ValuesLayout:
    """`{root: [values...]}`, the only column of a model.

    Attributes:
        root: Name of the field that holds the values.
    """

    root: str

    def path(self, problem: Problem) -> str:
        """See :class:`Layout`."""
        return pointer(self.root, problem.row)


@dataclass(frozen=True)
class PlacedProblem(Problem):
    """Something that is wrong with the structure of a body, whose place is known.

    Attributes:
        path: The JSON pointer (RFC 6901) of it.
    """

    path: str = ""


def path_of(problem: Problem, layout: Layout) -> str:
    """The JSON pointer (RFC 6901) of what is wrong in a body with a layout."""
    return problem.path if isinstance(problem, PlacedProblem) else layout.path(problem)


def pointer(*parts: str | int | None) -> str:
    """The JSON pointer (RFC 6901) of nested fields; None is left out.

    It ends before the name with which it would be too long to be repeated.
    """
    names = (str(part) for part in parts if part is not None)
    steps = (f"/{name.replace('~', '~0').replace('/', '~1')}" for name in names)
    *_, told = takewhile(lambda path: len(path) <= LONGEST, accumulate(steps, initial=""))
    return told
