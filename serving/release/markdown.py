"""Tables and numbers on pages in Markdown."""

import math
from collections.abc import Iterable, Iterator, Sequence


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = False
) -> Iterator[str]:
    """The lines of a table.

    Args:
        header: The names of the columns.
        rows: The cells of each row.
        numbers: Whether all columns but the first are numbers.
    """
    others = "---:" if numbers else "---"
    yield _row(header)
    yield f"|---|{f'{others}|' * (len(header) - 1)}"
    yield from map(_row, rows)


def number(value: float | None) -> str:
    """A number in four digits; nothing for one that is missing or not finite."""
    return "" if value is None or not math.isfinite(value) else f"{value:.4g}"


def plain(text: str) -> str:
    """A text of others, which must not end its cell or line, or become markup."""
    return " ".join(text.split()).replace("|", "&#124;").replace("<", "&lt;").replace("`", "'")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(plain, cells))} |"
