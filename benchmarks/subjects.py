"""The models that `benchmarks.serving` serves, in every form that a server takes, and requests."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd

from benchmarks.phases import shipped_spec
from ml_assets.core.dataset.simulator import simulate
from ml_assets.core.examples import input_ranges
from ml_assets.core.features.table import feature_table, series_of
from ml_assets.core.features.training_set import (
    forecast_labels,
    load_training_set,
    tabular_labels,
)
from ml_assets.core.spec import PipelineSpec
from ml_assets.core.training.fitting import fit, save
from ml_assets.resources.model_log import log_bundle
from serving.release.packaging import BuiltBento, build_bento
from serving.runtime.model import Model
from serving.runtime.predict import Answer, predict_columns

WIDTH, CLASSES, ROUNDS = 40, 3, 100
TABLE_ROWS, MANY_ROWS = 3_000, 1_000
DAYS = 365

Data = dict[str, list[Any]]


@dataclass(frozen=True)
class Case:
    """A request that is sent over and over again.

    Attributes:
        name: Such as "one row".
        data: Its columns.
        answer: What the model says to it in this process.
    """

    name: str
    data: Data
    answer: Answer


@dataclass(frozen=True)
class Subject:
    """A model, in every form that a server takes.

    Attributes:
        bundle: Its files.
        mlflow_model: The same as MLflow logged it.
        bento: The same as our release builds it.
        home: The store of the Bento.
        cases: What it is asked.
    """

    bundle: Path
    mlflow_model: Path
    bento: BuiltBento
    home: Path
    cases: tuple[Case, ...]

    @property
    def is_forecast(self) -> bool:
        """Whether it forecasts histories; else it classifies rows."""
        return self.cases[0].answer.probabilities is None


def rows_subject(home: Path) -> Subject:
    """A classification of rows, asked about one of them and about a thousand."""
    names = [f"feature_{number}" for number in range(WIDTH)]
    columns = {"target": "kind", "inputs": names}
    spec = PipelineSpec.model_validate(
        {
            "name": "rows",
            "task": "classification",
            "source": {"uri": "rows.csv"},
            "columns": columns,
            "estimator": {"rounds": ROUNDS, "early_stopping_rounds": ROUNDS},
        }
    )
    table = _table(names)
    features = feature_table(table, spec)
    requests = {"one row": 1, f"{MANY_ROWS:,} rows": MANY_ROWS}
    data = {name: _columns(table[names].head(rows)) for name, rows in requests.items()}
    return _subject(spec, table, features, tabular_labels(table, spec), data, home)


def _table(names: list[str]) -> pd.DataFrame:
    """Three clouds of points that overlap."""
    random = np.random.default_rng(7)
    kinds = random.integers(CLASSES, size=TABLE_ROWS)
    centres = random.normal(scale=0.3, size=(CLASSES, WIDTH))
    values = (centres[kinds] + random.normal(size=(TABLE_ROWS, WIDTH))).round(3)
    return pd.DataFrame(values, columns=names).assign(kind=np.char.add("kind_", kinds.astype(str)))


def forecast_subject(home: Path) -> Subject:
    """The shipped forecast on a year of one simulated transformer, asked about its last history."""
    spec = shipped_spec(source=f"simulated://transformers?entities=1&days={DAYS}")
    if spec.forecast is None or spec.columns.timestamp is None:
        raise TypeError(f"{spec.name} is no forecast")
    readings = simulate(entities=1, days=DAYS, missing=0, outliers=0)
    labels = forecast_labels(series_of(readings, spec), spec)
    history = readings.tail(spec.forecast.lookback)
    times = history[spec.columns.timestamp].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    data = {"one forecast": _columns(history.assign(**{spec.columns.timestamp: times}))}
    return _subject(spec, readings, feature_table(readings, spec), labels, data, home)


def _columns(frame: pd.DataFrame) -> Data:
    return {str(name): column.tolist() for name, column in frame.items()}


def _subject(
    spec: PipelineSpec,
    dataset: pd.DataFrame,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    requests: Mapping[str, Data],
    home: Path,
) -> Subject:
    """Fits a model and brings it into its forms, below the directory ``home``."""
    training_set = load_training_set(features.merge(labels, on=["entity", "event_timestamp"]), spec)
    ranges = input_ranges(dataset, training_set, spec)
    bundle, bento_home = home / "bundle", home / "bentoml"
    save(fit(training_set, spec), bundle, data_version="benchmark", input_ranges=ranges)
    model = Model.load(bundle)
    cases = tuple(Case(name, one, predict_columns(model, one)) for name, one in requests.items())
    logged = _log(bundle, model, example=pd.DataFrame(cases[0].data), home=home)
    bento = build_bento(bundle, version="1", created=datetime.now(UTC), bento_home=bento_home)
    return Subject(bundle, logged, bento, bento_home, cases)


def _log(bundle: Path, model: Model, *, example: pd.DataFrame, home: Path) -> Path:
    """The model as MLflow keeps it, on this machine."""
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    mlflow.set_tracking_uri(f"sqlite:///{home}/mlflow.db")
    experiment = mlflow.create_experiment("benchmark", artifact_location=str(home / "artifacts"))
    with mlflow.start_run(experiment_id=experiment):
        uri = log_bundle(bundle, model.manifest, example=example, metadata={})
        return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(home / "logged")))
