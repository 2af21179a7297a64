"""Evaluated models of several kinds, and whether a model answers golden requests as it must."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import yaml

from ml_assets.core.dataset.frames import TEXT
from ml_assets.core.evaluation.comparison import Predictions, predictions_of
from ml_assets.core.evaluation.golden import golden_requests
from ml_assets.core.features.table import feature_table, series_of
from ml_assets.core.features.training_set import (
    Part,
    TrainingSet,
    forecast_labels,
    load_training_set,
    tabular_labels,
)
from ml_assets.core.names import KEYS
from ml_assets.core.spec import PipelineSpec
from ml_assets.core.training.fitting import fit
from serving.golden import GoldenRequest
from serving.runtime.model import Model
from serving.runtime.served import ServedModel
from tests.conftest import ROOT
from tests.unit.evaluation_cases import forecast_spec

BERLIN = "Europe/Berlin"


@dataclass(frozen=True)
class Evaluated:
    """A model, the data that it was evaluated on, and what the evaluation predicted."""

    spec: PipelineSpec
    dataset: pd.DataFrame
    model: Model
    test: Part
    predictions: Predictions

    @classmethod
    def of(
        cls, spec: PipelineSpec, dataset: pd.DataFrame, *, older: PipelineSpec | None = None
    ) -> Self:
        """Fits a model, or one that an older YAML file described, and predicts the test span."""
        made_for = older or spec
        model = fit(_training_set(made_for, dataset), made_for).model
        test = _training_set(spec, dataset).part("test")
        series = series_of(dataset, spec) if spec.forecast else ()
        found = predictions_of(model, test, spec, series=series)
        return cls(spec, dataset, model, test, found)

    def first(self, rows: int) -> Self:
        """The same with only the first test rows."""
        test = self.test
        kept = Part(
            entities=test.entities[:rows],
            timestamps=test.timestamps[:rows],
            features=test.features[:rows],
            labels=test.labels[:rows],
        )
        return replace(self, test=kept)

    def golden(self, **count: int) -> list[GoldenRequest]:
        """Its golden requests."""
        return [
            *golden_requests(
                self.test,
                self.predictions[: len(self.test)],
                dataset=self.dataset,
                spec=self.spec,
                manifest=self.model.manifest,
                **count,
            )
        ]


def _training_set(spec: PipelineSpec, dataset: pd.DataFrame) -> TrainingSet:
    if spec.forecast:
        labels = forecast_labels(series_of(dataset, spec, fill_gaps=False), spec)
    else:
        labels = tabular_labels(dataset, spec)
    return load_training_set(feature_table(dataset, spec).merge(labels, on=KEYS), spec)


def shipped_spec(model: str, **sections: Any) -> PipelineSpec:
    """What a YAML file that ships says, with some sections replaced."""
    path = Path(ROOT, "ml_assets", "defs", model, "defs.yaml")
    return PipelineSpec.model_validate(yaml.safe_load(path.read_text())["attributes"] | sections)


def oven_spec(*, timezone: str = "UTC", **forecast: int) -> PipelineSpec:
    """A forecast of ovens, six hours ahead of a day of history."""
    spec = forecast_spec(
        source={"uri": "oven.csv", "timezone": timezone},
        forecast={"horizon": 6, "lookback": 24, "max_gap": 2, **forecast},
    )
    features = spec.features.model_copy(update={"timezone": timezone})
    return spec.model_copy(update={"features": features})


def ovens(
    *names: str, start: str = "2024-01-01", days: int = 40, absent: float = 0, empty: float = 0
) -> pd.DataFrame:
    """Hourly readings; a share of the rows is absent, a share of the cells empty."""
    frames = [_oven(name, start, days, absent, empty) for name in names]
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(oven=frame["oven"].astype(TEXT))


def _oven(name: str, start: str, days: int, absent: float, empty: float) -> pd.DataFrame:
    random = np.random.default_rng([*name.encode()])
    dates = pd.date_range(start, periods=24 * days, freq="h", tz="UTC").as_unit("us")
    values = random.normal(20, 5, (len(dates), 2)) + np.sin(np.arange(len(dates)) / 4)[:, None]
    values[random.random(values.shape) < empty] = np.nan
    frame = pd.DataFrame(values, columns=["load", "temperature"]).assign(date=dates, oven=name)
    return frame[random.random(len(frame)) >= absent]


def assert_answers(model: Model, requests: Sequence[GoldenRequest]) -> None:
    """The model's answers are the golden ones, their numbers within 1e-9."""
    served = ServedModel(model, "1")
    for request in requests:
        found = served.answer(request.data)
        _assert_same(found["predictions"], request.predictions)
        _assert_same(found.get("probabilities"), request.probabilities)


def _assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            _assert_same(found[name], value)
    elif isinstance(expected, list):
        for one, other in zip(found, expected, strict=True):
            _assert_same(one, other)
    elif isinstance(expected, float):
        assert abs(found - expected) <= 1e-9
    else:
        assert found == expected
