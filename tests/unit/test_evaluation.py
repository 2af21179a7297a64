from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from ml_assets.core.errors import DataError
from ml_assets.core.evaluation.baselines import naive_forecasts, training_scale
from ml_assets.core.evaluation.measuring import Evaluation, evaluate
from ml_assets.core.evaluation.metrics import TargetScale
from ml_assets.core.training.fitting import fit
from tests.unit.evaluation_cases import forecast_spec, part_of, readings, table_spec, training_set

UNIT = TargetScale(mean=0.0, std=2.0)
SPEC = forecast_spec()
TRUTH = np.arange(24.0).reshape(4, 6)
Values = NDArray[np.float64]


def off_by(error: float | Values) -> Values:
    return TRUTH + error


def forecast_evaluation(
    candidate: Values, *, production: Values | None = None, **baselines: Values
) -> Evaluation:
    return evaluate(
        part_of(TRUTH, entities=["a", "a", "a", "b"]),
        SPEC,
        candidate=candidate,
        production=production,
        baselines=baselines or {"persistence": off_by(2)},
        scale=UNIT,
    )


def test_every_predictor_is_measured_on_the_target_scale() -> None:
    found = forecast_evaluation(off_by(1), production=off_by(3), persistence=off_by(2))
    scores = {name: one["test_mse_scaled"] for name, one in found.predictors.items()}
    assert scores == {"candidate": 0.25, "production": 2.25, "persistence": 1.0}


def test_skill_compares_with_each_baseline() -> None:
    found = forecast_evaluation(off_by(1), persistence=off_by(2), seasonal_naive=off_by(0.5))
    assert found.metrics["skill_vs_persistence"] == 0.75
    assert found.metrics["skill_vs_seasonal_naive"] == -3


def test_rows_without_a_baseline_are_left_out_for_everyone() -> None:
    errors = np.array([1.0, 1.0, 1.0, 100.0])[:, None]
    partly = off_by(2.0)
    partly[3, 0] = np.nan
    found = forecast_evaluation(off_by(errors), production=off_by(errors), persistence=partly)
    assert found.metrics["test_mae"] == 1
    assert found.production is not None
    assert found.production["test_mae"] == 1
    assert (found.rows.compared, found.rows.left_out, found.rows.not_finite) == (3, 1, 0)


def test_rows_that_the_candidate_can_not_predict_are_counted() -> None:
    candidate = off_by(1.0)
    candidate[0, 2] = np.inf
    found = forecast_evaluation(candidate)
    assert (found.rows.compared, found.rows.left_out, found.rows.not_finite) == (3, 1, 1)


def test_a_baseline_without_any_value_is_left_out() -> None:
    nowhere = np.full_like(TRUTH, np.nan)
    found = forecast_evaluation(off_by(1), persistence=off_by(2), seasonal_naive=nowhere)
    assert found.rows.compared == 4
    assert list(found.baselines) == ["persistence"]
    assert "skill_vs_seasonal_naive" not in found.metrics


def test_a_production_model_without_any_prediction_is_left_out() -> None:
    found = forecast_evaluation(off_by(1), production=np.full_like(TRUTH, np.nan))
    assert found.production is None


def test_a_candidate_without_any_finite_row_is_an_error_with_the_counts() -> None:
    with pytest.raises(DataError, match="of 4 rows, finite are candidate on 0, persistence on 4"):
        forecast_evaluation(np.full_like(TRUTH, np.nan))


def test_predictions_of_another_shape_are_an_error() -> None:
    with pytest.raises(DataError, match=r"candidate have the shape \(4, 5\), not \(4, 6\)"):
        forecast_evaluation(TRUTH[:, :5])


def test_a_forecast_without_a_scale_is_an_error() -> None:
    with pytest.raises(DataError, match="pass `scale`"):
        evaluate(part_of(TRUTH), SPEC, candidate=TRUTH, baselines={})


def test_errors_are_given_for_each_step_of_each_predictor() -> None:
    found = forecast_evaluation(off_by(np.arange(6.0)), persistence=off_by(2))
    assert found.steps["candidate"].mse_scaled == [0, 0.25, 1, 2.25, 4, 6.25]
    assert found.steps["candidate"].mae_scaled == [0, 0.5, 1, 1.5, 2, 2.5]
    assert found.steps["persistence"].mae_scaled == [1] * 6


def test_errors_are_given_for_each_entity() -> None:
    found = forecast_evaluation(off_by(np.array([2.0, 2.0, 2.0, 4.0])[:, None]))
    assert [(one.entity, one.rows, one.mse_scaled) for one in found.entities] == [
        ("a", 3, 1.0),
        ("b", 1, 4.0),
    ]


def test_the_span_of_the_compared_rows_is_told() -> None:
    candidate = off_by(1.0)
    candidate[0] = np.nan
    found = forecast_evaluation(candidate)
    assert found.rows.first == datetime(2024, 1, 2, 1, tzinfo=UTC)
    assert found.rows.last == datetime(2024, 1, 2, 3, tzinfo=UTC)


def test_an_evaluation_survives_json_even_with_an_infinite_skill() -> None:
    found = forecast_evaluation(off_by(1), persistence=TRUTH)
    assert found.metrics["skill_vs_persistence"] == -np.inf
    assert Evaluation.model_validate_json(found.model_dump_json()) == found


def test_the_table_has_a_row_for_each_metric_and_a_column_for_each_predictor() -> None:
    lines = forecast_evaluation(off_by(1)).table.splitlines()
    assert lines[0] == "| metric | candidate | persistence |"
    assert "| test_mse_scaled | 0.2500 | 1.0000 |" in lines
    assert "| skill_vs_persistence | 0.7500 |  |" in lines


def test_a_classification_has_a_confusion_matrix() -> None:
    labels = np.array(["no", "yes", "yes"])
    found = evaluate(
        part_of(labels),
        table_spec("classification", ["x"]),
        candidate=np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]),
        baselines={"class_prior": np.full((3, 2), 0.5)},
        classes=("no", "yes"),
    )
    assert found.confusion == [[1, 0], [1, 1]]
    assert found.metrics["test_accuracy"] == pytest.approx(2 / 3)
    assert found.metrics["skill_vs_class_prior"] > 0


def test_a_regression_is_compared_with_the_mean() -> None:
    labels = np.array([1.0, 2.0, 3.0])
    found = evaluate(
        part_of(labels),
        table_spec("regression", ["x"]),
        candidate=labels,
        baselines={"mean": np.full(3, 2.0)},
    )
    assert found.metrics["skill_vs_mean"] == 1
    assert found.baselines["mean"]["test_r2"] == 0


def test_a_fitted_forecast_beats_the_baselines_on_a_daily_cycle() -> None:
    series = [readings("a"), readings("b", seed=2)]
    data = training_set(series, SPEC)
    test = data.part("test")
    assert SPEC.forecast is not None
    found = evaluate(
        test,
        SPEC,
        candidate=fit(data, SPEC).predict(test.features),
        baselines=naive_forecasts(test, series, forecast=SPEC.forecast),
        scale=training_scale(data.part("train"), series, forecast=SPEC.forecast),
    )
    assert found.metrics["skill_vs_persistence"] > 0.5
    assert found.metrics["skill_vs_seasonal_naive"] > 0.2
