"""Specifications and feature tables for the tests of the feature store."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ml_assets.core.names import KEYS
from ml_assets.core.spec import PipelineSpec

START = pd.Timestamp("2024-03-30T00:00", tz="UTC")
HOUR = pd.Timedelta(hours=1)


def forecast(
    name: str = "oil", *, lags: tuple[int, ...] = (0, 1, 24), **changes: Any
) -> PipelineSpec:
    """A small forecast over the simulator's columns."""
    rolling = [{"window": 24, "statistics": ["mean", "std", "min", "max"]}]
    columns = {"timestamp": "date", "entity": "transformer", "target": "OT", "inputs": ["HUFL"]}
    content = {
        "name": name,
        "task": "forecast",
        "source": {"uri": "simulated://transformers"},
        "columns": columns,
        "forecast": {"horizon": 4, "lookback": 48},
        "features": {
            "columns": {
                "HUFL": {"lags": [0, 3], "rolling": rolling},
                "OT": {"lags": list(lags), "differences": [24], "rolling": rolling},
            },
            "calendar": ["hour_of_day", "day_of_week"],
        },
    }
    return PipelineSpec.model_validate(content | changes)


def table_of(spec: PipelineSpec, rows: list[tuple[str, pd.Timestamp]]) -> pd.DataFrame:
    """A feature table with these keys, and values that tell row and column."""
    frame = pd.DataFrame(rows, columns=KEYS).astype({"entity": "object"})
    frame["event_timestamp"] = pd.to_datetime(frame["event_timestamp"], utc=True).dt.as_unit("us")
    for column, name in enumerate(spec.feature_names):
        frame[name] = (np.arange(len(rows)) + column / 100).astype(np.float32)
    return frame


def hours(
    entity: str, count: int, *, start: pd.Timestamp = START
) -> list[tuple[str, pd.Timestamp]]:
    """Keys of one entity, an hour apart."""
    return [(entity, start + hour * HOUR) for hour in range(count)]


def write(frame: pd.DataFrame, path: Path) -> Path:
    """Writes the table; returns its path."""
    frame.to_parquet(path, index=False)
    return path


def tabular() -> PipelineSpec:
    """A classification whose columns have names as in scikit-learn's data."""
    columns = {"target": "species", "inputs": ["sepal length (cm)", "width_y"]}
    return PipelineSpec.model_validate(
        {
            "name": "flowers",
            "task": "classification",
            "source": {"uri": "sklearn://iris"},
            "columns": columns,
        }
    )
