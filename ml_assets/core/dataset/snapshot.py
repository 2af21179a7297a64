"""The dataset of a model: validated, in one order, and known by the hash of its content."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ml_assets.core.dataset.frames import (
    ARROW_TEXT,
    TEXT,
    column_type,
    entity_codes,
    is_text,
    utc_times,
)
from ml_assets.core.dataset.schema import check_readings
from ml_assets.core.dataset.sources import Readings
from ml_assets.core.errors import DataError
from serving.runtime.spec import ColumnSpec, ForecastSpec


def validate(
    readings: Readings, *, columns: ColumnSpec, forecast: ForecastSpec | None
) -> pd.DataFrame:
    """The dataset that the readings of a source make up.

    Args:
        readings: What the source holds.
        columns: Which column is what.
        forecast: Lookback, horizon and step; None for a table without a forecast.

    Returns:
        The columns of the readings; rows sorted by entity (as text), then timestamp, whatever the
        order of the files and of the entities in them was. A table without timestamps keeps its
        order.

    Raises:
        DataError: A rule of `.schema` is broken, or an entity has fewer rows than
            lookback plus horizon.
    """
    check_readings(readings, columns, forecast)
    frame = readings.frame
    if columns.timestamp is None:
        return frame
    codes, names = entity_codes(frame, columns.entity)
    if forecast:
        _check_lengths(readings, codes, names, forecast)
    order = np.lexsort((utc_times(frame, columns.timestamp), codes))
    if (order[1:] > order[:-1]).all():
        return frame
    ordered = frame.take(order)
    ordered.index = pd.RangeIndex(len(ordered))  # reset_index would copy all rows once more
    return ordered


def _check_lengths(
    readings: Readings, codes: NDArray[np.intp], names: tuple[str, ...], forecast: ForecastSpec
) -> None:
    needed = forecast.lookback + forecast.horizon
    rows = np.bincount(codes, minlength=len(names))
    if rows.min() >= needed:
        return
    shortest = int(rows.argmin())
    place = readings.place(int(np.argmax(codes == shortest)))
    entity = f"entity {names[shortest]!r}" if names[shortest] else "the table"
    raise DataError(
        f"{place}: {entity} has {rows[shortest]} rows, but lookback ({forecast.lookback}) plus "
        f"horizon ({forecast.horizon}) need {needed}; give it more, or leave it out"
    )


def content_hash(frame: pd.DataFrame) -> str:
    """The sha256 (hex) of what a table holds.

    It covers the columns' names, types and order, and the values in the order of the rows. It does
    not depend on the index, on the memory layout (object, category and string columns of the same
    text are equal, as are all kinds of missing), on pandas, or on how a file was written.
    """
    digest = hashlib.sha256()
    for name in frame.columns:
        column = frame[name]
        digest.update(json.dumps([name, column_type(column), len(frame)]).encode())
        for values in _content(column):
            digest.update(np.ascontiguousarray(values).view(np.uint8).data)
    return digest.hexdigest()


def _content(column: "pd.Series[Any]") -> Iterator[NDArray[np.generic]]:
    """The values of a column as arrays whose bytes are the same wherever it comes from."""
    if is_text(column):
        yield from _text_content(column)
    elif isinstance(column.dtype, pd.DatetimeTZDtype):
        yield column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("<M8[us]")
    elif column.dtype.kind == "f":
        values = column.to_numpy() + 0.0  # makes -0.0 a 0.0
        values[np.isnan(values)] = np.nan
        yield values.astype(values.dtype.newbyteorder("<"), copy=False)
    else:
        values = column.to_numpy("<M8[us]" if column.dtype.kind == "M" else None)
        yield values.astype(values.dtype.newbyteorder("<"), copy=False)


def _text_content(column: "pd.Series[Any]") -> Iterator[NDArray[np.generic]]:
    """The length in bytes of each text (-1 where it is missing), then the bytes of all."""
    texts = pa.chunked_array(pa.array(column.astype(TEXT), ARROW_TEXT)).combine_chunks()
    lengths = pc.binary_length(texts).fill_null(-1)
    yield lengths.to_numpy(zero_copy_only=False).astype("<i8", copy=False)
    if len(texts):
        _, offsets, letters = texts.fill_null("").buffers()
        ends = np.frombuffer(offsets, np.int64)[[texts.offset, texts.offset + len(texts)]]
        yield np.frombuffer(letters, np.uint8)[slice(*ends)]
