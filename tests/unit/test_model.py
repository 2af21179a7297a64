"""What a model predicts from its files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from ml_assets.core.training.fitting import fit, save
from serving.runtime.errors import RequestError
from serving.runtime.linear import BaseMatrix
from serving.runtime.model import Model
from tests.unit.model_cases import (
    FOREST_CLASSIFIER,
    FOREST_REGRESSOR,
    HORIZON,
    diabetes,
    forecast_data,
    forecast_spec,
    iris,
)


def oven_rows(rows: int = 600) -> Any:
    data = forecast_data(forecast_spec(), hours=rows)
    return np.concatenate([part.features for part in data.parts.values()])


@pytest.mark.parametrize(
    "case",
    [
        (forecast_spec(), None),
        (forecast_spec(linear_base=True), None),
        (forecast_spec(linear_base=True, **FOREST_REGRESSOR), None),
        diabetes(),
        diabetes(linear_base=True),
        diabetes(**FOREST_REGRESSOR),
        iris(),
        iris(classes=2),
        iris(**FOREST_CLASSIFIER),
    ],
    ids=lambda case: f"{case[0].task} {case[0].estimator.type} {case[0].estimator.linear_base}",
)
def test_a_loaded_model_predicts_what_the_fitted_one_did(case: Any, tmp_path: Path) -> None:
    spec, data = case
    data = data or forecast_data(spec)
    fitted, rows = fit(data, spec), data.part("test").features
    written = save(fitted, tmp_path / "m", data_version="v1", input_ranges={})
    model = Model.load(tmp_path / "m")
    assert model.manifest == written
    np.testing.assert_array_equal(model.predict(rows), fitted.predict(rows))


def test_a_forecast_is_the_latest_value_plus_the_base_plus_the_trees(oven: Path) -> None:
    model, rows = Model.load(oven), oven_rows()
    names = model.manifest.feature_names
    latest = rows[:, names.index("OT_lag_0")]
    seen = rows.copy()
    for name in ("OT_lag_0", "OT_lag_1", "OT_lag_2", "OT_lag_23", "OT_mean_6"):
        seen[:, names.index(name)] -= latest
    base = json.loads((oven / "base.json").read_text())
    linear = np.array(base["intercept"]) + sum(
        seen[:, names.index(name), None] * np.array(coefficients)
        for name, coefficients in base["coefficients"].items()
    )
    booster = xgboost.Booster(model_file=oven / "model.ubj")
    expected = latest[:, None] + linear + booster.inplace_predict(seen)
    assert set(base["coefficients"]) == {
        "OT_lag_1", "OT_lag_2", "OT_lag_23", "OT_diff_3", "OT_mean_6"
    }  # fmt: skip
    np.testing.assert_allclose(model.predict(rows), expected, rtol=0, atol=1e-5)


@given(st.lists(st.integers(0, 499), min_size=1, max_size=400))
def test_a_row_is_predicted_alike_in_every_batch(oven: Path, chosen: list[int]) -> None:
    model, rows = Model.load(oven), oven_rows()
    together = model.predict(rows)
    np.testing.assert_array_equal(model.predict(rows[chosen]), together[chosen])
    np.testing.assert_array_equal(model.predict(rows[chosen[:1]]), together[chosen[:1]])


def test_the_base_of_a_row_has_the_same_bits_in_every_batch() -> None:
    random = np.random.default_rng(0)
    base = BaseMatrix(np.arange(46), random.normal(size=(46, 24)), random.normal(size=24))
    rows = random.normal(size=(600, 46)).astype(np.float32)
    alone = np.concatenate([base.predict(rows[row : row + 1]) for row in range(len(rows))])
    np.testing.assert_array_equal(base.predict(rows), alone)


def test_a_row_is_predicted_alike_across_chunks(
    oven: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, rows = Model.load(oven), oven_rows()
    whole = model.predict(rows)
    monkeypatch.setattr("serving.runtime.predictor.CHUNK", 7)
    monkeypatch.setattr("serving.runtime.linear.BLOCK", 3)
    np.testing.assert_array_equal(model.predict(rows), whole)


def test_a_forecast_moves_up_with_the_level_of_the_history(oven: Path) -> None:
    model, rows = Model.load(oven), np.round(oven_rows() * 64) / 64  # exact when shifted
    names = model.manifest.feature_names
    levels = [names.index(f"OT_{name}") for name in ("lag_0", "lag_1", "lag_2", "lag_23", "mean_6")]
    higher = rows.copy()
    higher[:, levels] += 64
    np.testing.assert_allclose(model.predict(higher), model.predict(rows) + 64, atol=1e-6)


def test_layout_and_precision_of_the_rows_do_not_matter(oven: Path) -> None:
    model, rows = Model.load(oven), oven_rows()
    for given_rows in (np.asfortranarray(rows), rows.astype(np.float64)):
        np.testing.assert_array_equal(model.predict(given_rows), model.predict(rows))


def test_no_rows_give_no_predictions(oven: Path) -> None:
    assert Model.load(oven).predict(oven_rows()[:0]).shape == (0, HORIZON)


def test_rows_with_another_number_of_features_are_refused(oven: Path) -> None:
    model = Model.load(oven)
    with pytest.raises(RequestError, match=r"takes 10 features.*\(600, 9\)"):
        model.predict(np.zeros((600, 9), dtype=np.float32))


def test_the_manifest_says_what_a_service_needs(oven: Path) -> None:
    manifest, spec = Model.load(oven).manifest, forecast_spec()
    assert manifest.columns == spec.columns
    assert manifest.forecast == spec.forecast
    assert manifest.features == spec.features
    assert manifest.timezone == "Europe/Berlin"
    assert manifest.data_version == "seed 1"
    assert manifest.input_ranges == {"OT": (10, 30)}
    assert set(manifest.files) == {"model.ubj", "base.json"}
