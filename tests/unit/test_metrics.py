import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from ml_assets.core.errors import DataError
from ml_assets.core.evaluation.metrics import (
    TargetScale,
    align_classes,
    calibration_error,
    classification_metrics,
    confusion,
    errors_by_step,
    forecast_metrics,
    regression_metrics,
    rows_by_entity,
    skill,
)

Matrix = NDArray[np.float64]
NUMBERS = st.floats(-1e3, 1e3, width=32)
FORECASTS = arrays(np.float64, (7, 3), elements=NUMBERS)
UNIT = TargetScale(mean=0.0, std=1.0)
CLASSES = ("cat", "dog", "eel")


def probabilities(seed: int, rows: int = 40) -> Matrix:
    return np.random.default_rng(seed).dirichlet([1, 1, 1], rows)


def labels(seed: int, rows: int = 40) -> NDArray[np.str_]:
    return np.array(CLASSES)[np.random.default_rng(seed).permutation(np.arange(rows) % 3)]


@given(FORECASTS, FORECASTS)
def test_forecast_metrics_are_the_means_over_all_steps(truth: Matrix, found: Matrix) -> None:
    scores = forecast_metrics(truth, found, scale=TargetScale(mean=5.0, std=2.0))
    assert scores["test_mse_scaled"] == pytest.approx(np.mean((truth - found) ** 2) / 4)
    assert scores["test_mae_scaled"] == pytest.approx(np.mean(abs(truth - found)) / 2)
    assert scores["test_rmse"] ** 2 == pytest.approx(np.mean((truth - found) ** 2))
    assert scores["test_mae"] == pytest.approx(np.mean(abs(truth - found)))


@given(FORECASTS, FORECASTS, st.floats(0.01, 100), NUMBERS)
def test_scaled_errors_do_not_depend_on_the_unit(
    truth: Matrix, found: Matrix, factor: float, shift: float
) -> None:
    assume(truth.std() * factor > 1e-3)
    scale, other = TargetScale.of(truth), TargetScale.of(truth * factor + shift)
    before = forecast_metrics(truth, found, scale=scale)
    after = forecast_metrics(truth * factor + shift, found * factor + shift, scale=other)
    assert after["test_mse_scaled"] == pytest.approx(before["test_mse_scaled"], rel=1e-6, abs=1e-9)


@given(FORECASTS, FORECASTS)
def test_errors_by_step_average_to_the_whole_error(truth: Matrix, found: Matrix) -> None:
    squared, absolute = errors_by_step(truth, found, scale=UNIT)
    whole = forecast_metrics(truth, found, scale=UNIT)
    assert squared.mean() == pytest.approx(whole["test_mse_scaled"])
    assert absolute.mean() == pytest.approx(whole["test_mae_scaled"])


def test_errors_by_step_keep_the_order_of_the_steps() -> None:
    squared, absolute = errors_by_step(np.zeros((2, 2)), np.array([[1, 3], [1, 3]]), scale=UNIT)
    assert squared.tolist() == [1, 9]
    assert absolute.tolist() == [1, 3]


def test_the_scale_leaves_missing_readings_out() -> None:
    scale = TargetScale.of(np.array([1.0, np.nan, 3.0]))
    assert (scale.mean, scale.std) == (2.0, 1.0)


def test_a_constant_target_has_the_scale_1() -> None:
    assert TargetScale.of(np.array([4.0, 4.0])).std == 1.0


def test_a_target_without_values_has_no_scale() -> None:
    with pytest.raises(DataError, match="no value on the training rows"):
        TargetScale.of(np.array([np.nan]))


@given(FORECASTS)
def test_skill_is_1_for_a_perfect_model_and_0_for_the_baseline_itself(truth: Matrix) -> None:
    naive = forecast_metrics(truth, np.full_like(truth, 2000.0), scale=UNIT)
    perfect = forecast_metrics(truth, truth, scale=UNIT)
    assert skill(perfect, naive, task="forecast") == 1
    assert skill(naive, naive, task="forecast") == 0


def test_skill_of_a_regression_compares_mean_squares() -> None:
    assert skill({"test_rmse": 1.0}, {"test_rmse": 2.0}, task="regression") == 0.75


def test_beside_a_perfect_baseline_only_a_perfect_model_is_no_worse() -> None:
    perfect, worse = {"test_rmse": 0.0}, {"test_rmse": 0.1}
    assert skill(perfect, perfect, task="regression") == 0
    assert skill(worse, perfect, task="regression") == -np.inf


def test_r2_is_the_share_of_the_variance_explained() -> None:
    scores = regression_metrics(np.array([0.0, 2.0]), np.array([0.0, 1.0]))
    assert scores == pytest.approx({"test_rmse": 0.5**0.5, "test_mae": 0.5, "test_r2": 0.5})


@given(st.integers(0, 1000))
def test_classification_metrics_follow_their_definitions(seed: int) -> None:
    truth, found = labels(seed), probabilities(seed)
    codes = np.searchsorted(CLASSES, truth)
    scores = classification_metrics(truth, found, classes=CLASSES)
    chance = found[np.arange(len(codes)), codes]
    assert scores["test_log_loss"] == pytest.approx(-np.log(chance).mean())
    assert scores["test_accuracy"] == pytest.approx((found.argmax(axis=1) == codes).mean())
    assert scores["test_brier"] == pytest.approx(((found - np.eye(3)[codes]) ** 2).sum(1).mean())
    area = roc_auc_score(codes, found, multi_class="ovr", average="macro")
    assert scores["test_roc_auc"] == pytest.approx(area)


def test_columns_belong_to_the_classes_in_the_order_that_is_given() -> None:
    found = np.array([[0.9, 0.1], [0.2, 0.8]])
    scores = classification_metrics(np.array(["b", "a"]), found, classes=("b", "a"))
    assert scores["test_accuracy"] == 1


def test_a_class_that_the_rows_lack_leaves_the_other_areas() -> None:
    truth = np.array(["cat", "dog", "cat", "dog"])
    found = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    scores = classification_metrics(truth, found, classes=CLASSES)
    assert scores["test_roc_auc"] == 1


def test_one_class_alone_has_no_roc_auc() -> None:
    scores = classification_metrics(np.array(["cat"] * 40), probabilities(1), classes=CLASSES)
    assert "test_roc_auc" not in scores


def test_a_class_without_training_rows_is_named() -> None:
    with pytest.raises(DataError, match="class 'fox' has no training row"):
        classification_metrics(np.array(["fox"]), np.ones((1, 3)) / 3, classes=CLASSES)


def test_calibration_error_is_the_distance_of_confidence_and_share_right() -> None:
    codes = np.array([0, 0, 0, 1])
    found = np.tile([0.95, 0.05], (4, 1))
    assert calibration_error(codes, found) == pytest.approx(0.95 - 0.75)


def test_distances_in_different_bins_do_not_cancel() -> None:
    found = np.array([[0.95, 0.05], [0.55, 0.45]])
    assert calibration_error(np.array([1, 0]), found) == pytest.approx((0.95 + 0.45) / 2)


@given(st.integers(0, 1000))
def test_rows_of_the_confusion_matrix_are_the_true_classes(seed: int) -> None:
    truth, found = labels(seed), probabilities(seed)
    counts = confusion(truth, found, classes=CLASSES)
    assert counts.sum(axis=1).tolist() == [(truth == name).sum() for name in CLASSES]
    assert counts.sum(axis=0).tolist() == np.bincount(found.argmax(1), minlength=3).tolist()


def test_aligned_probabilities_move_with_their_class() -> None:
    found = align_classes(np.array([[0.25, 0.75]]), given=("dog", "cat"), wanted=CLASSES)
    assert found.tolist() == [[0.75, 0.25, 0.0]]


def test_a_row_without_a_wanted_class_has_no_probabilities() -> None:
    found = align_classes(np.array([[1.0, 0.0]]), given=("fox", "cat"), wanted=CLASSES)
    assert np.isnan(found).all()


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1))
def test_rows_are_found_by_entity_in_any_order(names: list[str]) -> None:
    groups = rows_by_entity(np.array(names))
    assert list(groups) == sorted(set(names))
    for name, rows in groups.items():
        assert rows.tolist() == [row for row, one in enumerate(names) if one == name]
