"""A production model that can't be compared is left out, and the gate says why."""

from pathlib import Path

import numpy as np
import pytest

from ml_assets.core.evaluation.comparison import compare
from ml_assets.core.evaluation.gates import not_worse_than_production
from ml_assets.core.evaluation.measuring import Evaluation, evaluate
from ml_assets.core.features.training_set import TrainingSet
from ml_assets.core.spec import GateSpec, PipelineSpec
from ml_assets.core.training.fitting import fit, save
from serving.runtime.model import Model
from serving.runtime.spec import ForecastSpec
from tests.unit.evaluation_cases import (
    forecast_spec,
    iris,
    part_of,
    readings,
    table_set,
    table_spec,
    training_set,
)

SERIES = [readings()]
SPEC = forecast_spec()
LONGER = ForecastSpec(horizon=9, lookback=24)
PETALS = [name for name in iris().columns if name != "label"]


def model_of(data: TrainingSet, spec: PipelineSpec, directory: Path) -> Model:
    save(fit(data, spec), directory, data_version="1", input_ranges={})
    return Model.load(directory)


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return model_of(training_set(SERIES, SPEC), SPEC, tmp_path_factory.mktemp("forecast"))


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Model:
    spec = table_spec("classification", PETALS)
    return model_of(table_set(iris(), spec), spec, tmp_path_factory.mktemp("table"))


def beside(candidate: Model, production: Model) -> Evaluation:
    return compare(
        training_set(SERIES, SPEC),
        SPEC,
        candidate=candidate,
        production=production,
        series=SERIES,
    ).evaluation


def changed(model: Model, **manifest: object) -> Model:
    return Model(model.manifest.model_copy(update=manifest), model.predictor)


def test_a_production_model_with_another_horizon_is_left_out_with_the_reason(
    candidate: Model, tmp_path: Path
) -> None:
    spec = SPEC.model_copy(update={"forecast": LONGER})
    evaluation = beside(candidate, model_of(training_set(SERIES, spec), spec, tmp_path))
    assert evaluation.production is None
    assert "horizon 9, but the YAML file asks for horizon 6" in evaluation.production_left_out


def test_a_production_model_with_another_step_is_left_out_with_the_reason(
    candidate: Model,
) -> None:
    forecast = ForecastSpec(horizon=6, lookback=24, step="30min")
    evaluation = beside(candidate, changed(candidate, forecast=forecast))
    assert evaluation.production is None
    assert "step 1800 s, but the YAML file asks for step 3600 s" in evaluation.production_left_out


def test_a_step_in_other_words_is_compared(candidate: Model) -> None:
    forecast = ForecastSpec(horizon=6, lookback=24, step="60min")
    evaluation = beside(candidate, changed(candidate, forecast=forecast))
    assert evaluation.production == evaluation.metrics


def test_a_production_model_of_another_target_is_left_out_with_the_reason(
    candidate: Model,
) -> None:
    columns = candidate.manifest.columns.model_copy(update={"target": "load"})
    evaluation = beside(candidate, changed(candidate, columns=columns))
    assert evaluation.production is None
    assert "target load" in evaluation.production_left_out


def test_a_production_model_of_another_task_is_left_out_with_the_reason(flowers: Model) -> None:
    spec = table_spec("classification", PETALS)
    production = changed(flowers, task="regression", classes=[])
    evaluation = compare(
        table_set(iris(), spec), spec, candidate=flowers, production=production
    ).evaluation
    assert evaluation.production is None
    assert "task regression" in evaluation.production_left_out


def test_a_production_model_of_fewer_columns_is_compared_on_its_own(
    flowers: Model, tmp_path: Path
) -> None:
    spec, fewer = (table_spec("classification", names) for names in (PETALS, PETALS[:1:-1]))
    production = model_of(table_set(iris(), fewer), fewer, tmp_path)
    compared = compare(table_set(iris(), spec), spec, candidate=flowers, production=production)
    test = table_set(iris(), fewer).part("test")
    assert compared.evaluation.production_left_out == ""
    found = compared.predictions["production"]
    np.testing.assert_allclose(found, production.predict(test.features))


def test_a_production_model_whose_column_is_gone_is_left_out_with_the_reason(
    flowers: Model, tmp_path: Path
) -> None:
    spec = table_spec("classification", PETALS[1:])
    data = table_set(iris(), spec)
    newest = model_of(data, spec, tmp_path)
    evaluation = compare(data, spec, candidate=newest, production=flowers).evaluation
    assert evaluation.production is None
    assert f"needs column {PETALS[0]!r}" in evaluation.production_left_out


def test_a_production_model_without_any_prediction_is_left_out_with_the_reason() -> None:
    labels = np.arange(4.0)
    evaluation = evaluate(
        part_of(labels),
        table_spec("regression", ["a"]),
        candidate=labels,
        production=np.full(4, np.nan),
        baselines={},
    )
    assert evaluation.production is None
    assert "missing for every test row" in evaluation.production_left_out


def test_the_gate_says_that_production_was_not_compared_and_why(candidate: Model) -> None:
    evaluation = beside(candidate, changed(candidate, forecast=LONGER))
    answer = not_worse_than_production(evaluation, gates=GateSpec())
    assert answer.passed
    assert "can't be compared" in answer.description
    assert "horizon 9" in answer.description
    assert "No production model" not in answer.description
