"""One file of a source as a table of a model's columns, timestamps in UTC."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml_assets.core.dataset.cells import FRACTION
from ml_assets.core.dataset.csv_diagnosis import line_numbers
from ml_assets.core.dataset.csv_table import read_csv
from ml_assets.core.dataset.files import StoredFile
from ml_assets.core.dataset.frames import ARROW_TIME
from ml_assets.core.dataset.layout import Layout
from ml_assets.core.dataset.parquet_table import read_parquet
from ml_assets.core.errors import DataError
from serving.runtime.zones import local_to_utc

YEARS = (1900, 2200)
"""A timestamp before the first or not before the second is taken for a typing error."""

_TICKS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_OTHER_FORMATS = {
    b"\x1f\x8b": "is compressed with gzip; unpack it first",
    b"PK": "is a zip file or a spreadsheet; save it as CSV",
    b"\xff\xfe": "is UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "is UTF-16 text; save it as UTF-8",
    b"<": "is a web page or XML, not CSV; check the address and whether it needs a login",
}


@dataclass(frozen=True)
class SourceFile:
    """A file that was read.

    Attributes:
        uri: Its address as messages show it: see `.files.shown_uri`.
        sha256: Digest of its content, hex; "" for built-in data.
        rows: Number of rows.
        numbers: How messages count its rows, (rows,): the line of a CSV file, whose header is row
            1; elsewhere from 1.
    """

    uri: str
    sha256: str
    rows: int
    numbers: Sequence[int] | NDArray[np.int64] = field(repr=False, compare=False)

    def place(self, row: int) -> str:
        """File and row, in words, of the row at a position counted from 0."""
        return f"{self.uri}, row {self.numbers[row]}"


def read_table(file: StoredFile, layout: Layout) -> tuple[SourceFile, pa.Table]:
    """Reads the columns of a model from a CSV or Parquet file.

    Returns:
        The file, and a table of `Layout.kinds` in that order: timestamps as timestamp[us, UTC],
        numbers as float64, text as large_string. The entity's column may be missing.

    Raises:
        DataError: The file is no such table; the message names column and row where it can.
    """
    if _is_parquet(file):
        table = read_parquet(file, layout)
        numbers: Sequence[int] | NDArray[np.int64] = range(1, table.num_rows + 1)
    else:
        table = read_csv(file, layout)
        numbers = _csv_numbers(file, table.num_rows)
    source_file = SourceFile(file.uri, file.sha256, table.num_rows, numbers)
    timestamp = layout.columns.timestamp
    if timestamp:
        table = _with_utc(source_file, table, timestamp, timezone=layout.timezone)
    return source_file, table


def _is_parquet(file: StoredFile) -> bool:
    """Whether a file is Parquet; CSV if not.

    Raises:
        DataError: It is neither.
    """
    with file.path.open("rb") as stream:
        head = stream.read(4096)
    if not head.strip():
        raise DataError(f"{file.uri} is empty; check what wrote it")
    if head.startswith(b"PAR1") or PurePosixPath(file.uri).suffix in {".parquet", ".pq"}:
        return True
    for magic, name in _OTHER_FORMATS.items():
        if head.startswith(magic):
            raise DataError(f"{file.uri} {name}")
    if b"\0" in head:
        raise DataError(f"{file.uri} is neither CSV nor Parquet but some binary format")
    return False


def _csv_numbers(file: StoredFile, rows: int) -> Sequence[int] | NDArray[np.int64]:
    """The line of each row, which empty lines and line breaks in cells move down."""
    if file.lines != rows + 1:
        numbers = line_numbers(file.path)
        if len(numbers) == rows:
            return numbers
    return range(2, rows + 2)


def _with_utc(file: SourceFile, table: pa.Table, name: str, *, timezone: str) -> pa.Table:
    """The table with its timestamps in UTC."""
    column = table[name]
    unit, missing = column.type.unit, np.asarray(column.is_null())
    ticks = column.cast(pa.int64()).fill_null(0).to_numpy()
    times = ticks.view(f"datetime64[{unit}]")
    seconds, fraction = np.divmod(ticks, _TICKS[unit])
    first, end = (np.datetime64(f"{year}", "s").astype(np.int64) for year in YEARS)
    _refuse(file, name, times, (seconds < first) | (seconds >= end), "is not in a plausible year")
    _refuse(file, name, times, fraction != 0, FRACTION)
    if column.type.tz is None:
        seconds, matches = local_to_utc(seconds, zone=timezone)
        where = f"in {timezone}; write timestamps in UTC or with their offset"
        _refuse(file, name, times, matches == 0, f"is skipped when the clocks go forward {where}")
        _refuse(file, name, times, matches > 1, f"comes twice when the clocks go back {where}")
    utc = pa.array(seconds * _TICKS["us"], pa.int64(), mask=missing).cast(ARROW_TIME)
    return table.set_column(table.column_names.index(name), name, utc)


def _refuse(
    file: SourceFile,
    name: str,
    times: NDArray[np.datetime64],
    wrong: NDArray[np.bool_],
    fault: str,
) -> None:
    """Raises an error that names the first wrong time, if there is one."""
    if wrong.any():
        row = int(np.argmax(wrong))
        time = re.sub(r"(\.\d*?)0+$", r"\1", str(times[row]).replace("T", " ")).rstrip(".")
        raise DataError(f"{file.place(row)}, column {name!r}: {time} {fault}")
