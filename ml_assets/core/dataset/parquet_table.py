"""Reads the columns of a model from a Parquet file."""

import pyarrow as pa
import pyarrow.parquet as pq

from ml_assets.core.dataset.cells import Kind, has_offset, number_fault, time_fault
from ml_assets.core.dataset.files import StoredFile
from ml_assets.core.dataset.frames import ARROW_LOCAL_TIME, ARROW_NUMBER, ARROW_TEXT, ARROW_TIME
from ml_assets.core.dataset.layout import Layout
from ml_assets.core.errors import DataError

_NUMBERS = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_null,
)
_NAMES = (pa.types.is_integer, pa.types.is_boolean, pa.types.is_null)
_EXPECTED = {"number": "numbers", "time": "timestamps", "text": "text"}


def read_parquet(file: StoredFile, layout: Layout) -> pa.Table:
    """The columns of a Parquet file, timestamps without an offset still without a time zone.

    Timestamps keep their unit, so that none is cut off before it is looked at.

    Raises:
        DataError: The file is damaged, or a column holds something else; the message names column
            and row (the first is row 1).
    """
    try:
        with pq.ParquetFile(file.path) as parquet:
            kinds = layout.select(file.uri, parquet.schema_arrow.names, entity_is_optional=True)
            table = parquet.read(columns=list(kinds))
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{file.uri} is not Parquet, or damaged ({reason})") from error
    if not table.num_rows:
        raise DataError(f"{file.uri} has no rows; check what wrote it")
    return pa.table({name: _column(file, name, table[name], kind) for name, kind in kinds.items()})


def _column(file: StoredFile, name: str, column: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray:
    """A column in the type that its kind has in a CSV file."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    wanted = _wanted(column, kind)
    try:
        if wanted is not None:
            return column.cast(wanted, safe=False)
    except pa.ArrowInvalid as error:
        row, fault = _text_fault(column, kind, offset=wanted == ARROW_TIME) or ("", str(error))
        raise DataError(f"{file.uri}{row}, column {name!r}: {fault}") from error
    otherwise = ("", f"it holds {column.type}, not {_EXPECTED[kind]}")
    row, fault = _text_fault(column, kind, offset=False) or otherwise
    raise DataError(f"{file.uri}{row}, column {name!r}: {fault}")


def _wanted(column: pa.ChunkedArray, kind: Kind) -> pa.DataType | None:
    """The type to turn a column into; None where it holds something of another kind."""
    holds = column.type
    if kind == "number":
        return ARROW_NUMBER if any(test(holds) for test in _NUMBERS) else None
    if kind == "text":
        return ARROW_TEXT if _is_text(holds) or any(test(holds) for test in _NAMES) else None
    if pa.types.is_timestamp(holds):
        return pa.timestamp(holds.unit, "UTC" if holds.tz else None)
    if _is_text(holds):
        first = next((cell for cell in column if cell.is_valid), None)
        return ARROW_TIME if first and has_offset(first.as_py()) else ARROW_LOCAL_TIME
    return ARROW_LOCAL_TIME if pa.types.is_date(holds) or pa.types.is_null(holds) else None


def _is_text(holds: pa.DataType) -> bool:
    return holds in {pa.string(), pa.large_string()}


def _text_fault(column: pa.ChunkedArray, kind: Kind, *, offset: bool) -> tuple[str, str] | None:
    """Row and fault of the first cell of text that should be a number or a timestamp."""
    if not _is_text(column.type):
        return None
    for row, cell in enumerate(column.to_pylist(), start=1):
        fault = "" if cell is None else _fault(cell, kind, offset=offset)
        if fault:
            return f", row {row}", f"{cell!r} {fault}"
    return None


def _fault(cell: str, kind: Kind, *, offset: bool) -> str:
    return number_fault(cell) if kind == "number" else time_fault(cell, offset=offset)
