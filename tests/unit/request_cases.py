"""Models that answer requests, and requests."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from serving.runtime.model import Model
from serving.runtime.predict import EntityForecast, predict_columns
from serving.runtime.spec import ColumnFeatures, FeatureSpec, Rolling

LOOKBACK, HORIZON, MAX_GAP = 30, 3, 2
FEATURES = FeatureSpec(
    columns={
        "load": ColumnFeatures(lags=[0, 1], rolling=[Rolling(window=12, statistics=["mean"])]),
        "OT": ColumnFeatures(lags=[0, 1, 24], differences=[24]),
    },
    calendar=["hour_of_day"],
)
START = np.datetime64("2020-03-01T00:00:00")

Data = dict[str, list[Any]]


def write_bundle(
    directory: Path, *, outputs: int, manifest: Mapping[str, Any], **objective: Any
) -> Model:
    """Fits trees on noise and writes them as a model's directory."""
    rng = np.random.default_rng(1)
    width = len(manifest["feature_names"])
    features = rng.normal(size=(200, width)).astype(np.float32)
    labels = rng.normal(size=(200, outputs)).squeeze() if not objective else features[:, 0] > 0
    booster = xgboost.train({"max_depth": 2, **objective}, xgboost.DMatrix(features, labels), 5)
    content = bytes(booster.save_raw("ubj"))
    directory.mkdir(exist_ok=True)
    (directory / "model.ubj").write_bytes(content)
    files = {"model.ubj": hashlib.sha256(content).hexdigest()}
    common = {"data_version": "d1", "estimator": "xgboost", "files": files}
    (directory / "model.json").write_text(json.dumps({**manifest, **common}))
    return Model.load(directory)


def write_forecaster(directory: Path) -> Model:
    manifest = {
        "name": "heat",
        "task": "forecast",
        "columns": {"target": "OT", "inputs": ["load"], "timestamp": "date", "entity": "unit"},
        "forecast": {"horizon": HORIZON, "lookback": LOOKBACK, "max_gap": MAX_GAP},
        "features": FEATURES.model_dump(),
        "feature_names": list(FEATURES.names),
    }
    return write_bundle(directory, outputs=HORIZON, manifest=manifest)


def write_classifier(directory: Path) -> Model:
    manifest = {
        "name": "flower",
        "task": "classification",
        "columns": {"target": "species", "inputs": ["length", "width"]},
        "feature_names": ["length", "width"],
        "classes": ["blue", "red"],
    }
    kind = {"objective": "multi:softprob", "num_class": 2}
    return write_bundle(directory, outputs=1, manifest=manifest, **kind)


def write_regressor(directory: Path) -> Model:
    manifest = {
        "name": "price",
        "task": "regression",
        "columns": {"target": "price", "inputs": ["length", "width"]},
        "feature_names": ["length", "width"],
    }
    return write_bundle(directory, outputs=1, manifest=manifest)


def history(rows: int = LOOKBACK, *, unit: str | None = "2", seed: int = 0) -> Data:
    rng = np.random.default_rng(seed)
    times = START + np.arange(rows) * np.timedelta64(1, "h")
    data: Data = {
        "date": [str(time) for time in times],
        "load": rng.normal(5, 1, rows).tolist(),
        "OT": rng.normal(20, 3, rows).tolist(),
    }
    return data if unit is None else {**data, "unit": [unit] * rows}


def forecasts(model: Model, data: Data) -> list[EntityForecast]:
    found = predict_columns(model, data).predictions
    assert all(isinstance(one, EntityForecast) for one in found)
    return found  # type: ignore[return-value]


def without(data: Data, *rows: int) -> Data:
    return {
        name: [value for row, value in enumerate(values) if row not in rows]
        for name, values in data.items()
    }


def with_value(data: Data, column: str, row: int, value: object) -> Data:
    values = [*data[column]]
    values[row] = value
    return {**data, column: values}
