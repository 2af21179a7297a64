"""How bodies hold columns, and so the place of each mistake in a body."""

from dataclasses import dataclass
from typing import Protocol

from serving.runtime.errors import Problem


class Layout(Protocol):
    """How a body holds columns."""

    def path(self, problem: Problem) -> str:
        """The JSON pointer (RFC 6901) of what is wrong."""


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
class RecordLayout:
    """`{column: value, ...}`, one row."""

    def path(self, problem: Problem) -> str:
        """See :class:`Layout`."""
        return pointer(problem.column)


def pointer(*parts: str | int | None) -> str:
    """The JSON pointer (RFC 6901) of nested fields; None is left out."""
    escaped = (
        str(part).replace("~", "~0").replace("/", "~1") for part in parts if part is not None
    )
    return "".join(f"/{part}" for part in escaped)
