"""The two models that ship: their YAML files are valid, and the forecast is as good as promised."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import ml_assets
from ml_assets.core.features.table import feature_table, series_of
from ml_assets.core.features.training_set import TrainingSet, forecast_labels, load_training_set
from ml_assets.core.names import KEYS
from ml_assets.core.spec import PipelineSpec, SplitSpec
from ml_assets.core.training.boosting import check_parameters
from ml_assets.core.training.fitting import fit

DEFS = Path(ml_assets.__file__).parent / "defs"
MODELS = sorted(path.parent.name for path in DEFS.glob("*/defs.yaml"))
PROTOCOL = SplitSpec(train=8640, validation=2880, test=2880)


def spec_of(model: str) -> PipelineSpec:
    content = yaml.safe_load((DEFS / model / "defs.yaml").read_text(encoding="utf-8"))
    assert content["type"] == "ml_assets.components.ModelPipeline"
    return PipelineSpec.model_validate(content["attributes"])


def test_two_models_ship() -> None:
    assert {"iris", "transformer_temperature"} <= set(MODELS)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_called_like_its_folder(model: str) -> None:
    assert spec_of(model).name == model


@pytest.mark.parametrize("model", MODELS)
def test_xgboost_knows_the_parameters_and_those_of_the_search(model: str) -> None:
    spec = spec_of(model)
    middle = {
        name: int(dimension.low) if dimension.integer else dimension.low
        for name, dimension in spec.tuning.space.items()
        if dimension.low is not None
    }
    assert spec.tuning.space.keys() <= {*spec.estimator.parameters}
    check_parameters({**spec.estimator.parameters, **middle})


@pytest.mark.parametrize("model", MODELS)
def test_the_defaults_lie_in_the_search_space(model: str) -> None:
    spec = spec_of(model)
    for name, dimension in spec.tuning.space.items():
        value = float(spec.estimator.parameters[name])
        assert (dimension.low or 0) <= value <= (dimension.high or 0)


@pytest.mark.parametrize("model", MODELS)
def test_every_number_column_has_a_plausible_range(model: str) -> None:
    spec = spec_of(model)
    numbers = spec.columns.numeric if spec.task == "forecast" else spec.columns.inputs
    assert set(spec.columns.ranges) == set(numbers)


def protocol(path: Path) -> tuple[PipelineSpec, pd.DataFrame]:
    """The published protocol: the first 20 months, 12 to train, 4 to validate, 4 to test."""
    spec = spec_of("transformer_temperature").model_copy(update={"split": PROTOCOL})
    frame = pd.read_csv(path, nrows=14_400).assign(transformer="ETTh1")
    times = pd.to_datetime(frame["date"], utc=True).astype("datetime64[us, UTC]")
    return spec, frame.assign(date=times)


def training_set(frame: pd.DataFrame, spec: PipelineSpec) -> TrainingSet:
    labels = forecast_labels(series_of(frame, spec), spec)
    return load_training_set(feature_table(frame, spec).merge(labels, on=KEYS), spec)


def test_etth1_is_forecast_as_well_as_the_best_published_trees(etth1: Path) -> None:
    spec, frame = protocol(etth1)
    data = training_set(frame, spec)
    fitted, scale = fit(data, spec), frame["OT"][:8640].std(ddof=0)
    errors = {
        name: np.mean((fitted.predict(part.features) - part.labels.astype(np.float64)) ** 2)
        for name, part in data.parts.items()
    }
    assert len(data.part("test")) == 2880 - 24 + 1
    assert errors["validation"] / scale**2 < 0.0490
    assert errors["test"] / scale**2 < 0.0260
