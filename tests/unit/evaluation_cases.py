"""Small models and data that several test files measure, probe and tune."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes, load_iris

from ml_assets.core.features.keys import row_keys
from ml_assets.core.features.training_set import (
    Part,
    TrainingSet,
    forecast_labels,
    load_training_set,
    tabular_labels,
)
from ml_assets.core.names import KEYS
from ml_assets.core.spec import PipelineSpec
from serving.runtime.features import compute_features
from serving.runtime.history import Series

HOURS = 40 * 24
Values = NDArray[np.float64]


def forecast_spec(*extra: str, **sections: Any) -> PipelineSpec:
    """A forecast of `temperature` from itself, `load` and the ``extra`` columns."""
    columns = ["load", *extra]
    features = {
        name: {"lags": [0, 23], "rolling": [{"window": 6, "statistics": ["mean"]}]}
        for name in columns
    }
    features["temperature"] = {"lags": [0, 1, 17, 23]}
    given = {
        "name": "oven",
        "task": "forecast",
        "source": {"uri": "oven.csv"},
        "columns": {
            "target": "temperature",
            "inputs": columns,
            "timestamp": "date",
            "entity": "oven",
        },
        "forecast": {"horizon": 6, "lookback": 24},
        "features": {"columns": features, "calendar": ["hour_of_day"]},
        "estimator": {"rounds": 30, "parameters": {"max_depth": 3, "learning_rate": 0.2}},
    }
    return PipelineSpec.model_validate(given | sections)


def readings(
    entity: str = "a",
    *,
    seed: int = 1,
    hours: int = HOURS,
    leak: Callable[[Values], Values] | None = None,
) -> Series:
    """A daily cycle that the load drives, with inertia and noise; ``leak`` adds a column."""
    random = np.random.default_rng(seed)
    time = np.arange(hours)
    load = 1 + np.sin(2 * np.pi * time / 24) + 0.3 * random.standard_normal(hours)
    temperature = np.zeros(hours)
    for now in range(1, hours):
        temperature[now] = (
            0.8 * temperature[now - 1] + load[now - 1] + 0.5 * random.standard_normal()
        )
    leaks = [] if leak is None else [leak(temperature)]
    stamps = np.datetime64("2024-01-01T00", "s") + time * np.timedelta64(3600, "s")
    return Series(entity, stamps, np.column_stack([load, *leaks, temperature]))


def training_set(series: Sequence[Series], spec: PipelineSpec) -> TrainingSet:
    """Features and labels of the series, split as the spec says."""
    frames = []
    for one in series:
        matrix = compute_features(one, columns=spec.columns.numeric, spec=spec.features)
        frame = pd.DataFrame(matrix, columns=list(spec.feature_names)).assign(entity=one.entity)
        frame[KEYS[1]] = pd.DatetimeIndex(one.timestamps.astype("datetime64[us]"), tz="UTC")
        frames.append(frame)
    rows = pd.concat(frames).dropna()
    return load_training_set(rows.merge(forecast_labels(series, spec), on=KEYS), spec)


def table_spec(task: str, inputs: Sequence[str], **sections: Any) -> PipelineSpec:
    """A model of a table with the column `label`."""
    metric = "test_log_loss" if task == "classification" else "test_rmse"
    given = {
        "name": "table",
        "task": task,
        "source": {"uri": "table.csv"},
        "columns": {"target": "label", "inputs": list(inputs)},
        "estimator": {"rounds": 30, "parameters": {"max_depth": 3, "learning_rate": 0.2}},
        "gates": {"metric": metric},
    }
    return PipelineSpec.model_validate(given | sections)


def table_set(table: pd.DataFrame, spec: PipelineSpec) -> TrainingSet:
    """A table's columns and its `label`, split as the spec says."""
    inputs = table[spec.columns.inputs].astype(np.float32).reset_index(drop=True)
    rows = pd.concat([row_keys(len(table)), inputs], axis=1)
    return load_training_set(rows.merge(tabular_labels(table, spec), on=KEYS), spec)


def iris() -> pd.DataFrame:
    """Iris with class names in `label`."""
    found = load_iris(as_frame=True)
    return found.data.assign(label=found.target_names[found.target.to_numpy()])


def diabetes() -> pd.DataFrame:
    """Diabetes with the progression in `label`."""
    found = load_diabetes(as_frame=True)
    return found.data.assign(label=found.target.astype(float))


def part_of(labels: NDArray[Any], *, entities: Sequence[str] = (), features: int = 1) -> Part:
    """Rows with these labels, an hour apart within each entity."""
    rows = len(labels)
    names = np.array(entities or ["a"] * rows, dtype=np.str_)
    hours = np.arange(rows) * np.timedelta64(3_600_000_000, "us")
    stamps = np.datetime64("2024-01-02T00", "us") + hours
    return Part(names, stamps, np.zeros((rows, features), np.float32), labels)
