"""The types that the columns of a table have everywhere in the pipeline."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

TEXT = pd.StringDtype("pyarrow")
"""Columns of text: Arrow memory instead of one Python object a row."""
TIME = pd.api.types.pandas_dtype("datetime64[us, UTC]")
"""Columns of timestamps."""

ARROW_TEXT = pa.large_string()
ARROW_TIME = pa.timestamp("us", "UTC")
ARROW_LOCAL_TIME = pa.timestamp("us")
ARROW_NUMBER = pa.float64()


def string_column(codes: NDArray[np.integer], names: Sequence[str]) -> "pd.Series[str]":
    """A column of text that holds ``names[code]`` for each of the (n,) ``codes``."""
    texts = pa.array(names, ARROW_TEXT).take(pa.array(codes))
    return pd.Series(pd.array(texts, dtype=TEXT))


def utc_times(frame: pd.DataFrame, column: str) -> NDArray[np.datetime64]:
    """A column of timestamps as (n,) datetime64[us] in UTC, NaT where one is missing."""
    naive = frame[column].dt.tz_convert("UTC").dt.tz_localize(None)
    return np.asarray(naive, "datetime64[us]")


def entity_codes(
    frame: pd.DataFrame, column: str | None
) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """The entity of each row as a number (n,), and what the numbers mean, in order of name.

    A table without a column of entities is one entity, called "". A missing entity is -1.
    """
    if column is None:
        return np.zeros(len(frame), np.intp), ("",)
    codes, names = pd.factorize(frame[column], sort=True)
    return codes, tuple(map(str, names))


def column_type(column: "pd.Series[Any]") -> str:
    """What a column holds: "text", "timestamp[us, tz=UTC]", "float64", "int64", ..."""
    if is_text(column):
        return "text"
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return str(ARROW_TIME)
    return str(ARROW_LOCAL_TIME if column.dtype.kind == "M" else column.dtype)


def is_text(column: "pd.Series[Any]") -> bool:
    """Whether a column holds text, in whatever memory layout."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        dtype = dtype.categories.dtype
    return pd.api.types.is_string_dtype(dtype)
