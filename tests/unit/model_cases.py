"""Small models and their training sets, for the tests of training and of the served model."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes, load_iris

from ml_assets.core.features.training_set import PARTS, Part, TrainingSet
from ml_assets.core.spec import PipelineSpec
from ml_assets.core.training.fitting import Fitted, fit, save
from serving.runtime.features import compute_features
from serving.runtime.history import Series

HORIZON = 3
REGISTERED = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
"""When the registry got a version, for those that no registry has."""
FOREST = {"n_estimators": 5, "max_depth": 3}
FOREST_REGRESSOR: dict[str, Any] = {
    "type": "sklearn.ensemble.RandomForestRegressor",
    "parameters": FOREST,
}
FOREST_CLASSIFIER: dict[str, Any] = {
    "type": "sklearn.ensemble.RandomForestClassifier",
    "parameters": FOREST,
}


def forecast_spec(**estimator: Any) -> PipelineSpec:
    """A forecast of `OT`, three hours ahead."""
    target = {
        "lags": [0, 1, 2, 23],
        "differences": [3],
        "rolling": [{"window": 6, "statistics": ["mean", "std"]}],
    }
    return PipelineSpec.model_validate(
        {
            "name": "oven",
            "task": "forecast",
            "source": {"uri": "oven.csv", "timezone": "Europe/Berlin"},
            "columns": {"target": "OT", "inputs": ["load"], "timestamp": "date", "entity": "oven"},
            "forecast": {"horizon": HORIZON, "lookback": 24},
            "features": {
                "columns": {"OT": target, "load": {"lags": [0]}},
                "calendar": ["hour_of_day"],
            },
            "estimator": {"rounds": 8, "parameters": {"max_depth": 2}} | estimator,
        }
    )


def table_spec(task: str, columns: list[str], **estimator: Any) -> PipelineSpec:
    """A regression or classification of the rows of a table."""
    return PipelineSpec.model_validate(
        {
            "name": "table",
            "task": task,
            "source": {"uri": "table.csv"},
            "columns": {"target": "y", "inputs": columns},
            "estimator": {"rounds": 8, "parameters": {"max_depth": 2}} | estimator,
        }
    )


def forecast_data(
    spec: PipelineSpec, *, hours: int = 600, level: float = 20, seed: int = 1
) -> TrainingSet:
    """A daily cycle with inertia, driven by a noisy load, split in time order."""
    random = np.random.default_rng(seed)
    times = np.datetime64("2020-01-01", "s") + np.arange(hours) * np.timedelta64(3600, "s")
    load = np.sin(np.arange(hours) * np.pi / 12) + random.normal(scale=0.3, size=hours)
    oil = level + 5 * np.convolve(load, 0.8 ** np.arange(24))[:hours]
    return forecast_set(spec, Series("a", times, np.column_stack([load, oil])))


def forecast_set(spec: PipelineSpec, series: Series) -> TrainingSet:
    """All complete rows of a series: three fifths, one fifth, one fifth."""
    table = compute_features(series, columns=spec.columns.numeric, spec=spec.features)
    target = series.values[1:, -1].astype(np.float32)
    labels = np.lib.stride_tricks.sliding_window_view(target, HORIZON)
    rows = np.arange(spec.features.reach, len(labels))
    return _split(spec, table[rows], labels[rows], series.timestamps[rows], rows)


def diabetes(**estimator: Any) -> tuple[PipelineSpec, TrainingSet]:
    """A regression on scikit-learn's diabetes data."""
    data = load_diabetes()
    spec = table_spec("regression", list(data.feature_names), **estimator)
    return spec, table_data(spec, data.data, data.target)


def iris(classes: int = 3, **estimator: Any) -> tuple[PipelineSpec, TrainingSet]:
    """A classification of the irises of the last two or all three species."""
    data = load_iris()
    chosen = data.target >= 3 - classes
    spec = table_spec("classification", ["a", "b", "c", "d"], **estimator)
    return spec, table_data(spec, data.data[chosen], data.target_names[data.target[chosen]])


def table_data(
    spec: PipelineSpec, features: NDArray[Any], labels: NDArray[Any], *, seed: int = 1
) -> TrainingSet:
    """The rows of a table in a random order."""
    order = np.random.default_rng(seed).permutation(len(labels))
    times = np.zeros(len(labels), dtype="datetime64[us]")
    return _split(spec, features[order].astype(np.float32), labels[order], times, order)


def _split(
    spec: PipelineSpec,
    features: NDArray[np.float32],
    labels: NDArray[Any],
    times: NDArray[np.datetime64],
    rows: NDArray[np.intp],
) -> TrainingSet:
    edges = np.array([0, 0.6, 0.8, 1]) * len(rows)
    spans = [slice(*edges.astype(int)[start : start + 2]) for start in range(3)]
    entities = rows.astype(np.str_)
    parts = {
        name: Part(entities[span], times[span], features[span], labels[span])
        for name, span in zip(PARTS, spans, strict=True)
    }
    return TrainingSet(spec.feature_names, parts)


def forecast_model(directory: Path, *, seed: int = 1, **estimator: Any) -> Fitted:
    """Fits a forecast with a linear base and writes it to a directory."""
    spec = forecast_spec(**({"linear_base": True} | estimator))
    fitted = fit(forecast_data(spec, seed=seed), spec)
    save(fitted, directory, data_version=f"seed {seed}", input_ranges={"OT": (10, 30)})
    return fitted
