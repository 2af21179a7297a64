"""Which estimators can be fitted to which task, and how those are explained that can't."""

import warnings
from typing import Any

import numpy as np
import pytest
import xgboost
from sklearn.ensemble import RandomForestRegressor

from ml_assets.core.errors import TrainingError
from ml_assets.core.features.training_set import Part, TrainingSet
from ml_assets.core.training import boosting
from ml_assets.core.training.fitting import Fitted, fit
from tests.unit.model_cases import (
    FOREST_CLASSIFIER,
    FOREST_REGRESSOR,
    diabetes,
    forecast_data,
    forecast_spec,
    iris,
)


class HomeMade(RandomForestRegressor):  # type: ignore[misc]
    """An estimator that a service does not have."""


def fit_forecast(**estimator: Any) -> Fitted:
    spec = forecast_spec(**estimator)
    return fit(forecast_data(spec), spec)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("estimator", [{"rounds": 50}, FOREST_CLASSIFIER])
def test_classes_are_in_the_order_of_the_alphabet(classes: int, estimator: Any) -> None:
    spec, data = iris(classes, **estimator)
    fitted, part = fit(data, spec), data.part("test")
    names = fitted.model.manifest.classes
    found = fitted.predict(part.features)
    assert names == ["setosa", "versicolor", "virginica"][3 - classes :]
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-12)
    assert np.mean(np.array(names)[found.argmax(axis=1)] == part.labels) > 0.8


def relabel(data: TrainingSet, span: Any, name: str) -> TrainingSet:
    part = data.part(span)
    changed = Part(part.entities, part.timestamps, part.features, np.full(len(part), name))
    return TrainingSet(data.feature_names, {**data.parts, span: changed})


def test_a_class_without_training_rows_is_named() -> None:
    spec, data = iris()
    with pytest.raises(TrainingError, match="class 'tulip' has no row in the training span"):
        fit(relabel(data, "validation", "tulip"), spec)


def test_a_single_class_is_refused() -> None:
    spec, data = iris()
    with pytest.raises(TrainingError, match="'y' holds only the class 'tulip'"):
        fit(relabel(data, "train", "tulip"), spec)


def test_a_forest_is_seeded() -> None:
    def predict(seed: int) -> Any:
        spec, data = diabetes(**FOREST_REGRESSOR, seed=seed)
        return fit(data, spec).predict(data.part("test").features)

    np.testing.assert_array_equal(predict(1), predict(1))
    assert not np.array_equal(predict(1), predict(2))


def test_a_forest_forecasts_better_than_the_last_value() -> None:
    spec = forecast_spec(**FOREST_REGRESSOR)
    data = forecast_data(spec)
    fitted, part = fit(data, spec), data.part("test")
    truth = part.labels.astype(np.float64)
    error, naive = (
        np.mean(np.square(found - truth))
        for found in (fitted.predict(part.features), part.features[:, :1])
    )
    assert error < 0.6 * naive


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        ({"type": "xgbost"}, "neither 'xgboost' nor an import path"),
        ({"type": "sklearn.ensembl.RandomForestRegressor"}, "did you mean sklearn.ensemble"),
        (
            {"type": "sklearn.ensemble.RandomForestRegresor"},
            "no class 'RandomForestRegresor'; did you mean RandomForestRegressor",
        ),
        (FOREST_REGRESSOR | {"parameters": {"n_estimator": 5}}, "did you mean n_estimators"),
        (FOREST_REGRESSOR | {"parameters": {"n_estimators": -5}}, "can't be fitted: .*n_estim"),
        ({"type": "collections.OrderedDict", "parameters": {}}, "no method 'fit'"),
        (
            {"type": f"{__name__}.HomeMade", "parameters": {}},
            r"test_estimators\.HomeMade holds",
        ),
        ({"parameters": {"max_dept": 3}}, "no parameter 'max_dept'.*did you mean max_depth"),
        ({"parameters": {"max_depth": "deep"}}, "max_depth expect int but value='deep'"),
        ({"parameters": {"subsample": 2.0}}, r"subsample exceed bound \[0,1\]"),
        ({"parameters": {"tree_method": "magic"}}, "'magic', valid values are"),
        ({"parameters": {"objective": "reg:magic"}}, "Unknown objective function: `reg:magic`$"),
        ({"parameters": {"objective": "multi:softprob"}}, "does not fit the task"),
        ({"parameters": {"seed": 3}}, r"'seed' of xgboost comes from estimator\.seed"),
        ({"parameters": {"num_class": 3}}, "'num_class' of xgboost comes from the data"),
    ],
)
def test_an_estimator_that_can_not_be_fitted_is_explained(estimator: Any, message: str) -> None:
    spec, data = diabetes(**estimator)
    with pytest.raises(TrainingError, match=message):
        fit(data, spec)


@pytest.mark.parametrize("name", ["RidgeClassifier", "SGDClassifier"])
def test_a_classifier_must_know_probabilities(name: str) -> None:
    spec, data = iris(type=f"sklearn.linear_model.{name}", parameters={})
    with pytest.raises(TrainingError, match="no method 'predict_proba'"):
        fit(data, spec)


def test_a_linear_base_does_not_fit_classes() -> None:
    with pytest.raises(ValueError, match="linear_base does not belong to task 'classification'"):
        iris(linear_base=True)


def test_a_fit_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_forecast(parameters={"learning_rate": 0.1, "reg_lambda": 2, "verbosity": 1})


@pytest.mark.skipif(xgboost.build_info()["USE_CUDA"], reason="this xgboost can use a GPU")
def test_the_cpu_build_does_not_pretend_to_use_a_gpu() -> None:
    with pytest.raises(TrainingError, match=r"CPU build; install the lock file for GPUs"):
        fit_forecast(device="cuda")


def test_a_machine_without_gpu_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xgboost, "build_info", lambda: {"USE_CUDA": True})
    monkeypatch.setattr(boosting, "visible_gpus", lambda: 0)
    with pytest.raises(TrainingError, match="no GPU is visible here"):
        fit_forecast(device="cuda")
