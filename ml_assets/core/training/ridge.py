"""Ridge regression in closed form, with the penalty that is best on the validation span."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml_assets.core.training.samples import Sample
from serving.runtime.linear import LinearBase

PENALTIES = 10.0 ** np.arange(-5, 1.5, 0.5)
"""Penalties to choose from, relative to the variance of a standardised feature."""

_log = logging.getLogger(__name__)

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """First and second moments of a sample, all that a linear regression needs to know of it.

    Attributes:
        x: (q,) mean of each feature.
        y: (k,) mean of each label.
        xx: (q, q) mean products of two features.
        xy: (q, k) mean products of a feature and a label.
        yy: Mean square of a label, summed over the k labels.
    """

    x: Matrix
    y: Matrix
    xx: Matrix
    xy: Matrix
    yy: float

    @classmethod
    def of(cls, sample: Sample, columns: NDArray[np.intp]) -> "Moments":
        """The moments of some ``columns`` of a sample, gathered chunk by chunk."""
        gram = np.zeros((1 + len(columns) + sample.labels.shape[1],) * 2)
        for features, labels in sample.chunks():
            ones = np.ones((len(labels), 1))
            joined = np.hstack([ones, features[:, columns], labels], dtype=np.float64)
            gram += joined.T @ joined
        x, y = slice(1, 1 + len(columns)), slice(1 + len(columns), None)
        gram /= len(sample)
        return cls(gram[0, x], gram[0, y], gram[x, x], gram[x, y], float(np.trace(gram[y, y])))

    def error(self, coefficients: Matrix, intercept: Matrix) -> float:
        """Mean squared error (over rows and labels) of a linear regression on this sample."""
        w, b = coefficients, intercept
        square = np.sum(w * (self.xx @ w)) + 2 * b @ (w.T @ self.x) + b @ b
        product = np.sum(w * self.xy) + b @ self.y
        return float((square - 2 * product + self.yy) / len(self.y))


def fit_ridge(
    train: Sample, validation: Sample, *, names: tuple[str, ...], of: tuple[str, ...]
) -> LinearBase:
    """Fits a ridge regression on ``train``, its penalty chosen on ``validation``.

    Features are standardised and the intercept is not penalised (Hastie, Tibshirani, Friedman:
    The Elements of Statistical Learning, 3.4.1); one eigendecomposition serves all penalties.

    Args:
        train: The rows to fit.
        validation: The rows to choose the penalty on.
        names: Columns of the feature matrix.
        of: The features to use.
    """
    columns = np.array([names.index(name) for name in of], dtype=np.intp)
    known, unseen = Moments.of(train, columns), Moments.of(validation, columns)
    paths = [(penalty, *solution) for penalty, solution in _solutions(known)]
    penalty, coefficients, intercept = min(paths, key=lambda path: unseen.error(path[1], path[2]))
    rmse = np.sqrt(unseen.error(coefficients, intercept))
    _log.info("linear base: %d features, penalty %.3g, rmse %.4g", len(of), penalty, rmse)
    return LinearBase(
        intercept=intercept.tolist(),
        coefficients=dict(zip(of, coefficients.tolist(), strict=True)),
    )


def _solutions(known: Moments) -> list[tuple[float, tuple[Matrix, Matrix]]]:
    covariance = known.xx - np.outer(known.x, known.x)
    scale = np.sqrt(np.maximum(np.diag(covariance), 0))
    scale[scale <= 1e-6 * np.abs(known.x)] = 0  # constant but for rounding
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    values, vectors = np.linalg.eigh(covariance * np.outer(inverse, inverse))
    projected = vectors.T @ ((known.xy - np.outer(known.x, known.y)) * inverse[:, None])
    return [
        (float(penalty), _solution(known, vectors, projected, values + penalty, inverse))
        for penalty in PENALTIES
    ]


def _solution(
    known: Moments, vectors: Matrix, projected: Matrix, spectrum: Matrix, inverse: Matrix
) -> tuple[Matrix, Matrix]:
    """Coefficients (q, k) and intercept (k,) for the original units.

    They are rounded to float32, so that the last bits, in which BLAS differs between numbers of
    threads, do not reach the model's files.
    """
    standardised = vectors @ (projected / spectrum[:, None])
    coefficients = _rounded(standardised * inverse[:, None])
    return coefficients, _rounded(known.y - known.x @ coefficients)


def _rounded(values: Matrix) -> Matrix:
    return values.astype(np.float32).astype(np.float64)
