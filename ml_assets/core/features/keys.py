"""What Feast finds a row by: the entity that it belongs to, and its time."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml_assets.core.names import EVENT_TIMESTAMP
from serving.runtime.feature_store import JOIN_KEY


def with_keys(
    frame: pd.DataFrame, *, entity: str, timestamps: NDArray[np.datetime64]
) -> pd.DataFrame:
    """The frame itself, with one entity's keys as its first columns; (n,) times are in UTC."""
    frame.insert(0, JOIN_KEY, entity)
    frame.insert(1, EVENT_TIMESTAMP, _utc(timestamps))
    return frame


def row_keys(rows: int) -> pd.DataFrame:
    """The keys of a table without time: the row number as entity, at the epoch."""
    epoch = np.zeros(rows, dtype="datetime64[s]")
    numbers = pd.RangeIndex(rows).astype(str)
    return pd.DataFrame({JOIN_KEY: numbers, EVENT_TIMESTAMP: _utc(epoch)})


def _utc(timestamps: NDArray[np.datetime64]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(timestamps.astype("datetime64[us]"), tz="UTC")
