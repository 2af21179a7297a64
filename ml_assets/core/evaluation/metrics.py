"""How wrong predictions are: each task's metrics, under the names that MLflow keeps them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    confusion_matrix,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    roc_auc_score,
)

from ml_assets.core.errors import DataError
from serving.runtime.spec import Task

Array = NDArray[Any]
Scores = dict[str, float]
LARGER_IS_BETTER = frozenset({"test_accuracy", "test_roc_auc", "test_r2"})
CALIBRATION_BINS = 10
# The metric that `skill_vs_...` compares, and the power that makes it a mean square.
_SKILL_ERRORS: dict[Task, tuple[str, int]] = {
    "forecast": ("test_mse_scaled", 1),
    "regression": ("test_rmse", 2),
    "classification": ("test_log_loss", 1),
}


@dataclass(frozen=True)
class TargetScale:
    """Mean and standard deviation of the target on the training rows, in the target's unit."""

    mean: float
    std: float

    @classmethod
    def of(cls, values: Array) -> Self:
        """The scale of ``values``, NaN left out; a constant target gets the deviation 1."""
        known = values[np.isfinite(values)].astype(np.float64)
        if not len(known):
            raise DataError("the target has no value on the training rows")
        return cls(mean=float(known.mean()), std=float(known.std()) or 1.0)


def forecast_metrics(labels: Array, predictions: Array, *, scale: TargetScale) -> Scores:
    """Errors of forecasts over all origins and steps.

    Args:
        labels: (n, horizon) what happened, in the target's unit.
        predictions: (n, horizon) what was forecast, in the target's unit.
        scale: The target's scale; the scaled errors are those of standardised values.

    Returns:
        ``test_mse_scaled``, ``test_mae_scaled``, and in the target's unit ``test_rmse`` (the root
        of the mean over all steps) and ``test_mae``.
    """
    mse = float(mean_squared_error(labels, predictions))
    mae = float(mean_absolute_error(labels, predictions))
    return {
        "test_mse_scaled": mse / scale.std**2,
        "test_mae_scaled": mae / scale.std,
        "test_rmse": mse**0.5,
        "test_mae": mae,
    }


def errors_by_step(
    labels: Array, predictions: Array, *, scale: TargetScale
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scaled mean squared and mean absolute error of each step: two arrays (horizon,)."""
    squared = mean_squared_error(labels, predictions, multioutput="raw_values")
    absolute = mean_absolute_error(labels, predictions, multioutput="raw_values")
    return np.asarray(squared) / scale.std**2, np.asarray(absolute) / scale.std


def regression_metrics(labels: Array, predictions: Array) -> Scores:
    """``test_rmse`` and ``test_mae`` in the target's unit, and ``test_r2``.

    Args:
        labels: (n,) what was observed, n at least 2.
        predictions: (n,) what was predicted.
    """
    return {
        "test_rmse": float(mean_squared_error(labels, predictions)) ** 0.5,
        "test_mae": float(mean_absolute_error(labels, predictions)),
        "test_r2": float(r2_score(labels, predictions, force_finite=True)),
    }


def classification_metrics(
    labels: Array, probabilities: Array, *, classes: Sequence[str]
) -> Scores:
    """Metrics of predicted class probabilities.

    Args:
        labels: (n,) class names.
        probabilities: (n, k) one column for each of ``classes``; rows add up to 1.
        classes: Names of the columns.

    Returns:
        ``test_accuracy``, ``test_log_loss`` (nats), ``test_brier`` (squared distance to the
        one-hot label, halved for two classes as scikit-learn does),
        ``test_calibration_error``, and ``test_roc_auc`` (one against the rest, macro) unless the
        labels hold one class only.

    Raises:
        DataError: A label is none of ``classes``.
    """
    codes = class_codes(labels, classes)
    known = np.arange(len(classes))
    # Probabilities of float32 add up to 1 only nearly, which scikit-learn warns of.
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    scores = {
        "test_accuracy": float(accuracy_score(codes, probabilities.argmax(axis=1))),
        "test_log_loss": float(log_loss(codes, probabilities, labels=known)),
        "test_brier": float(brier_score_loss(codes, probabilities, labels=known)),
        "test_calibration_error": calibration_error(codes, probabilities),
    }
    if len(np.unique(codes)) > 1:
        scores["test_roc_auc"] = _roc_auc(codes, probabilities)
    return scores


def _roc_auc(codes: Array, probabilities: Array) -> float:
    # A class that the rows lack has no curve, for which scikit-learn's own average is NaN.
    present = np.unique(codes)
    areas = [roc_auc_score(codes == code, probabilities[:, code]) for code in present]
    return float(np.mean(areas))


def calibration_error(codes: Array, probabilities: Array, *, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error: mean distance of the confidence from the share that is right.

    The confidence is the highest probability of a row; rows are put into ``bins`` equal
    intervals of it and weigh the same (Guo et al., "On Calibration of Modern Neural Networks",
    ICML 2017, equation 3).

    Args:
        codes: (n,) number of the true class.
        probabilities: (n, k) predicted probabilities.
        bins: Number of intervals between 0 and 1.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == codes
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    distance = np.bincount(bin_of, weights=confidence - right, minlength=bins)
    return float(np.abs(distance).sum() / len(codes))


def confusion(labels: Array, probabilities: Array, *, classes: Sequence[str]) -> NDArray[np.int64]:
    """(k, k) how many rows of each true class (row) got each class (column) as most probable."""
    codes = class_codes(labels, classes)
    chosen = probabilities.argmax(axis=1)
    return np.asarray(confusion_matrix(codes, chosen, labels=np.arange(len(classes))))


def class_codes(labels: Array, classes: Sequence[str]) -> NDArray[np.int64]:
    """(n,) number of each label in ``classes``.

    Raises:
        DataError: A label is none of ``classes``.
    """
    known = {name: code for code, name in enumerate(classes)}
    names, inverse = np.unique(labels, return_inverse=True)
    unknown = [str(name) for name in names if str(name) not in known]
    if unknown:
        raise DataError(
            f"class {unknown[0]!r} has no training row, the model knows {', '.join(classes)}; "
            "give more rows of it, or remove it from the data"
        )
    return np.array([known[str(name)] for name in names], dtype=np.int64)[inverse]


def align_classes(probabilities: Array, *, given: Sequence[str], wanted: Sequence[str]) -> Array:
    """Probabilities (n, k) for ``given`` classes in the order of ``wanted``; unknown ones are 0.

    An older model may know other classes than the newest one; rows are scaled to a sum of 1, and
    a row that gives all its weight to classes that are not wanted becomes NaN.
    """
    aligned = np.zeros((len(probabilities), len(wanted)))
    for column, name in enumerate(given):
        if name in wanted:
            aligned[:, wanted.index(name)] = probabilities[:, column]
    total = aligned.sum(axis=1, keepdims=True)
    return np.where(total > 0, aligned / np.where(total > 0, total, 1.0), np.nan)


def skill(scores: Scores, baseline: Scores, *, task: Task) -> float:
    """1 - error / error of the baseline, on the mean squared error or the log loss.

    1 is perfect and 0 is no better than the baseline. Beside a baseline without any error the
    skill is 0 for a perfect model and minus infinity for any other.
    """
    name, power = _SKILL_ERRORS[task]
    error, reference = scores[name] ** power, baseline[name] ** power
    if reference == 0:
        return 0.0 if error == 0 else -np.inf
    return 1.0 - error / reference


def rows_by_entity(entities: Array) -> dict[str, NDArray[np.intp]]:
    """The row numbers of each entity, entities in order; fast where rows are sorted by entity."""
    starts = np.flatnonzero(np.r_[True, entities[1:] != entities[:-1]])
    names, heads = np.unique(entities[starts], return_inverse=True)
    codes = np.repeat(heads, np.diff(np.r_[starts, len(entities)]))
    order = np.argsort(codes, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    return {str(name): rows for name, rows in zip(names, groups, strict=True)}
