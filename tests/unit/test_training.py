"""What `fit` learns, what it refuses, and that it learns the same twice."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from sklearn.metrics import log_loss

from ml_assets.core.features.training_set import Part, TrainingSet
from ml_assets.core.training.fitting import Fitted, fit
from serving.runtime.linear import LinearBase
from tests.unit.model_cases import (
    FOREST_CLASSIFIER,
    FOREST_REGRESSOR,
    diabetes,
    forecast_data,
    forecast_spec,
    iris,
    table_data,
    table_spec,
)


def fit_forecast(**estimator: Any) -> Fitted:
    spec = forecast_spec(**({"linear_base": True} | estimator))
    return fit(forecast_data(spec), spec)


def booster_of(fitted: Fitted) -> xgboost.Booster:
    booster = xgboost.Booster()
    booster.load_model(bytearray(fitted.contents["model.ubj"]))
    return booster


def rmse(fitted: Fitted, part: Part) -> float:
    errors = fitted.predict(part.features) - part.labels.astype(np.float64)
    return float(np.sqrt(np.mean(np.square(errors))))


def persistence_rmse(part: Part) -> float:
    errors = part.features[:, :1] - part.labels.astype(np.float64)
    return float(np.sqrt(np.mean(np.square(errors))))


def noisy(data: TrainingSet, *, scale: float) -> TrainingSet:
    """The same features with noise added to all labels."""
    random = np.random.default_rng(0)
    parts = {
        name: Part(
            part.entities,
            part.timestamps,
            part.features,
            (
                part.labels.astype(np.float64) + random.normal(scale=scale, size=part.labels.shape)
            ).astype(np.float32),
        )
        for name, part in data.parts.items()
    }
    return TrainingSet(data.feature_names, parts)


PRINT_DIGEST = """
import hashlib
from tests.unit.test_training import fit_forecast
print(hashlib.sha256(fit_forecast(parameters={}).contents["model.ubj"]).hexdigest())
"""
SAMPLED = {"max_depth": 3, "subsample": 0.5, "colsample_bytree": 0.5}


def test_the_same_input_and_seed_give_the_same_bytes() -> None:
    assert fit_forecast(parameters=SAMPLED).contents == fit_forecast(parameters=SAMPLED).contents


def test_another_seed_gives_other_bytes() -> None:
    one, other = (fit_forecast(parameters=SAMPLED, seed=seed) for seed in (1, 2))
    assert one.contents["model.ubj"] != other.contents["model.ubj"]


@pytest.mark.parametrize("linear_base", [True, False])
def test_the_number_of_threads_does_not_change_the_bytes(linear_base: bool) -> None:
    spec = forecast_spec(linear_base=linear_base)
    data = noisy(forecast_data(spec, hours=20_000), scale=3)
    one, many = (fit(data, spec, parameters=SAMPLED | {"nthread": count}) for count in (1, 3))
    assert one.contents == many.contents


def test_a_fresh_process_gives_the_same_bytes() -> None:
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    printed = subprocess.run(
        [sys.executable, "-c", PRINT_DIGEST],
        env={**os.environ, **threads, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    here = fit_forecast(parameters={}).contents["model.ubj"]
    assert printed.strip() == hashlib.sha256(here).hexdigest()


def test_boosting_stops_and_keeps_the_best_round() -> None:
    spec = forecast_spec(rounds=300, early_stopping_rounds=5, parameters={"eta": 0.5})
    fitted = fit(noisy(forecast_data(spec), scale=5), spec)
    best = int(np.argmin(fitted.history))
    assert len(fitted.history) == best + 1 + 5 < 300
    assert booster_of(fitted).num_boosted_rounds() == best + 1
    assert booster_of(fitted).attributes() == {}
    assert fitted.validation_error == fitted.history[best]


def test_without_early_stopping_all_rounds_are_kept() -> None:
    spec = forecast_spec(rounds=60, early_stopping_rounds=0, parameters={"eta": 0.5})
    fitted = fit(noisy(forecast_data(spec), scale=5), spec)
    assert booster_of(fitted).num_boosted_rounds() == len(fitted.history) == 60
    assert fitted.validation_error == fitted.history[-1] > min(fitted.history)


@pytest.mark.parametrize("estimator", [{}, {"linear_base": True}, FOREST_REGRESSOR])
def test_the_validation_error_is_the_rmse_of_the_predictions(estimator: Any) -> None:
    spec = forecast_spec(**estimator)
    data = forecast_data(spec)
    fitted = fit(data, spec)
    assert fitted.validation_error == pytest.approx(rmse(fitted, data.part("validation")), rel=1e-5)


@pytest.mark.parametrize("estimator", [{}, FOREST_CLASSIFIER])
def test_the_validation_error_of_classes_is_the_log_loss(estimator: Any) -> None:
    spec, data = iris(**estimator)
    fitted, part = fit(data, spec), data.part("validation")
    classes = fitted.model.manifest.classes
    loss = log_loss(part.labels, fitted.predict(part.features), labels=classes)
    assert fitted.validation_error == pytest.approx(loss, rel=1e-5)


def test_the_test_span_is_not_read() -> None:
    spec = forecast_spec(linear_base=True)
    data = forecast_data(spec)
    without = TrainingSet(
        data.feature_names, {**data.parts, "test": forecast_data(spec, seed=9).part("test")}
    )
    assert fit(without, spec).contents == fit(data, spec).contents


def test_the_linear_base_is_fitted_on_the_training_span() -> None:
    spec = forecast_spec(linear_base=True)
    data = forecast_data(spec)
    part = data.part("validation")
    higher = Part(
        part.entities, part.timestamps, part.features, part.labels.astype(np.float64) + 100
    )
    odd = TrainingSet(data.feature_names, {**data.parts, "validation": higher})
    base = LinearBase.model_validate_json(fit(odd, spec).contents["base.json"])
    assert np.abs(base.intercept).max() < 50


def test_the_validation_span_is_not_fitted() -> None:
    spec = forecast_spec(linear_base=False, early_stopping_rounds=0)
    data = forecast_data(spec)
    other = TrainingSet(
        data.feature_names, {**data.parts, "validation": forecast_data(spec, seed=9).part("test")}
    )
    assert fit(other, spec).contents == fit(data, spec).contents


def test_a_forecast_beats_the_last_value_at_a_level_never_seen() -> None:
    spec = forecast_spec(linear_base=True)
    fitted, part = fit(forecast_data(spec), spec), forecast_data(spec, level=70).part("test")
    assert spec.feature_names[0] == "OT_lag_0"
    assert rmse(fitted, part) < 0.6 * persistence_rmse(part)


def test_the_trees_add_to_the_linear_base() -> None:
    spec = forecast_spec(linear_base=True, rounds=60)
    data = forecast_data(spec, hours=1500)
    idle = spec.estimator.model_copy(update={"parameters": {"eta": 0.0}})
    base_alone = fit(data, spec.model_copy(update={"estimator": idle}))
    assert rmse(fit(data, spec), data.part("test")) < 0.9 * rmse(base_alone, data.part("test"))


def test_parameters_override_those_of_the_yaml() -> None:
    spec = forecast_spec(parameters={"max_depth": 1, "eta": 0.5})
    fitted = fit(forecast_data(spec), spec, parameters={"max_depth": 2})
    assert fitted.parameters == {"max_depth": 2, "eta": 0.5}
    assert "Depth" not in booster_of(fitted).get_dump()[0]
    assert booster_of(fitted).get_dump()[0].count("\t\t") > 0


def test_importance_names_the_feature_that_matters() -> None:
    spec = table_spec("regression", ["noise", "signal"])
    rows = np.random.default_rng(0).normal(size=(500, 2))
    shares = fit(table_data(spec, rows, rows[:, 1] ** 2), spec).importance()
    assert list(shares) == ["noise", "signal"]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["signal"] > 0.9


def test_each_round_is_told() -> None:
    told: list[tuple[int, float]] = []
    spec = forecast_spec()
    fitted = fit(forecast_data(spec), spec, on_round=lambda *each: told.append(each))
    assert told == list(enumerate(fitted.history))


def test_what_on_round_raises_ends_the_fit() -> None:
    class PrunedError(Exception):
        pass

    def prune(number: int, error: float) -> None:
        raise PrunedError

    spec = forecast_spec()
    with pytest.raises(PrunedError):
        fit(forecast_data(spec), spec, on_round=prune)


def test_other_estimators_tell_one_error() -> None:
    told: list[tuple[int, float]] = []
    spec, data = diabetes(**FOREST_REGRESSOR)
    fitted = fit(data, spec, on_round=lambda *each: told.append(each))
    assert told == [(0, fitted.validation_error)]
