"""Finds the place in a CSV file that the fast parser stumbled over.

The fast parser reads a million rows a second but does not always say where it failed; this one
goes through the file row by row, and runs only when there is something to find.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml_assets.core.dataset.cells import MISSING, Kind, number_fault, text_fault, time_fault


def csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields the number of the (last) line and the cells of each row, the header's first.

    Empty lines are left out. Bytes that are not UTF-8 become lone surrogates, so that their place
    can be named.
    """
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        reader = csv.reader(stream)
        yield from ((reader.line_num, cells) for cells in reader if cells)


def line_numbers(path: Path) -> NDArray[np.int64]:
    """The line that each row below the header ends on, (rows,), counted from 1."""
    return np.fromiter((line for line, _ in csv_rows(path)), np.int64)[1:]


def find_fault(path: Path, kinds: Mapping[str, Kind], *, offset: bool) -> str:
    """The first fault in a CSV file whose header is right.

    Args:
        path: The file.
        kinds: What the columns that are read hold, by name.
        offset: Whether its first timestamp has an offset.

    Returns:
        Where and what it is, such as ", row 17, column 'OT': 'n/a' is not a number; ...", or ""
        where there is none. Row 1 is the header.
    """
    rows = csv_rows(path)
    try:
        _, header = next(rows)
        columns = [(header.index(name), name, kind) for name, kind in kinds.items()]
        for line, cells in rows:
            fault = _row_fault(cells, len(header), columns, offset=offset)
            if fault:
                return f", row {line}{fault}"
    except csv.Error as error:
        return f": {error}"
    return ""


def _row_fault(
    cells: Sequence[str],
    width: int,
    columns: Sequence[tuple[int, str, Kind]],
    *,
    offset: bool,
) -> str:
    if len(cells) != width:
        return f": {len(cells)} cells, but the header has {width}; quote text that holds a comma"
    for index, name, kind in columns:
        fault = _cell_fault(cells[index], kind, offset=offset)
        if fault:
            return f", column {name!r}: {cells[index]!r} {fault}"
    return ""


def _cell_fault(cell: str, kind: Kind, *, offset: bool) -> str:
    if cell in MISSING:
        return ""
    if kind == "number":
        return number_fault(cell)
    return time_fault(cell, offset=offset) if kind == "time" else text_fault(cell)
