"""Reads the columns of a model from a CSV file (comma-separated, UTF-8, with a header)."""

import pyarrow as pa
import pyarrow.csv as pa_csv

from ml_assets.core.dataset.cells import MISSING, Kind, has_offset
from ml_assets.core.dataset.csv_diagnosis import csv_rows, find_fault
from ml_assets.core.dataset.files import StoredFile
from ml_assets.core.dataset.frames import ARROW_LOCAL_TIME, ARROW_NUMBER, ARROW_TEXT, ARROW_TIME
from ml_assets.core.dataset.layout import Layout
from ml_assets.core.errors import DataError


def read_csv(file: StoredFile, layout: Layout) -> pa.Table:
    """The columns of a CSV file, timestamps without an offset still without a time zone.

    Raises:
        DataError: The file is not such a CSV file; the message names column and row (row 1 is the
            header).
    """
    header = _header(file)
    kinds = layout.select(file.uri, header, entity_is_optional=True)
    offset = _has_offset(file, header, layout.columns.timestamp)
    time = ARROW_TIME if offset else ARROW_LOCAL_TIME
    types: dict[Kind, pa.DataType] = {"number": ARROW_NUMBER, "text": ARROW_TEXT, "time": time}
    options = pa_csv.ConvertOptions(
        include_columns=list(kinds),
        column_types={name: types[kind] for name, kind in kinds.items()},
        null_values=list(MISSING),
        strings_can_be_null=True,
    )
    try:
        table = pa_csv.read_csv(file.path, convert_options=options)
    except pa.ArrowInvalid as error:
        fault = find_fault(file.path, kinds, offset=offset) or f" is not a CSV file: {error}"
        raise DataError(f"{file.uri}{fault}") from error
    if not table.num_rows:
        raise DataError(f"{file.uri} has a header but no rows; check what wrote it")
    return table


def _header(file: StoredFile) -> list[str]:
    _, header = next(csv_rows(file.path), (0, []))
    if not any(header):
        raise DataError(f"{file.uri} is empty; check what wrote it")
    if any("\ud800" <= letter <= "\udfff" for name in header for letter in name):
        raise DataError(f"{file.uri}: the header is not UTF-8; save the file with that encoding")
    return header


def _has_offset(file: StoredFile, header: list[str], timestamp: str | None) -> bool:
    """Whether the first timestamp of a file has an offset."""
    if timestamp is None:
        return False
    index = header.index(timestamp)
    rows = (cells for _, cells in csv_rows(file.path) if len(cells) > index)
    next(rows)
    return has_offset(next((cells[index] for cells in rows if cells[index] not in MISSING), ""))
