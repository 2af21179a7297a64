"""Plain tables for a terminal."""

import statistics
from collections.abc import Iterator, Sequence

Row = Sequence[str]


def table(title: str, header: Row, rows: Sequence[Row]) -> Iterator[str]:
    """The lines of a table: the first and the last column to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    yield ""
    yield title
    for row in (header, *rows):
        yield _line(row, widths)


def _line(row: Row, widths: Sequence[int]) -> str:
    first, *figures, last = row
    middle = (f"{cell:>{width}}" for cell, width in zip(figures, widths[1:-1], strict=True))
    return "  ".join((f"{first:<{widths[0]}}", *middle, last)).rstrip()


def median_and_range(values: Sequence[float], *, digits: int = 1) -> tuple[str, str]:
    """The median, and the smallest and the largest value where there are several."""
    median = f"{statistics.median(values):.{digits}f}"
    if len(values) == 1:
        return median, ""
    return median, f"{min(values):.{digits}f}-{max(values):.{digits}f}"


def verdict(value: float, limit: float) -> str:
    """Whether a value keeps below its limit."""
    return "met" if value <= limit else "MISSED"
