"""What a forecast is relative to: the latest value of the target and a linear base on top."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from serving.runtime.errors import SpecError
from serving.runtime.spec import ColumnFeatures, FeatureSpec, FrozenModel, Rolling, Statistic

BLOCK = 256
_LEVELS: tuple[Statistic, ...] = ("mean", "min", "max")


def level_names(features: FeatureSpec, *, target: str) -> tuple[str, ...]:
    """Features that move up and down with the target's level: lags, means, minima and maxima."""
    return _target_features(features, target, statistics=_LEVELS)


def linear_names(features: FeatureSpec, *, target: str) -> tuple[str, ...]:
    """Features that are linear in the target's history: lags, differences and means."""
    differences = features.columns[target].differences
    return _target_features(features, target, statistics=("mean",), differences=differences)


def _target_features(
    features: FeatureSpec,
    target: str,
    *,
    statistics: tuple[Statistic, ...],
    differences: list[int] | None = None,
) -> tuple[str, ...]:
    of_target = features.columns[target]
    chosen = ColumnFeatures(
        lags=of_target.lags,
        differences=differences or [],
        rolling=[
            Rolling(window=rolling.window, statistics=[name])
            for rolling in of_target.rolling
            for name in rolling.statistics
            if name in statistics
        ],
    )
    return FeatureSpec(columns={target: chosen}).names


@dataclass(frozen=True)
class TargetLevel:
    """The latest value of the target, and the features that share its level.

    An estimator sees these features minus the latest value. So a forecast moves up by 1 when the
    whole history does, and trees, which can't extrapolate, work at levels they never saw.

    Attributes:
        latest: Column of the feature matrix that holds the latest value.
        columns: Columns that share its level, the latest value's own included.
    """

    latest: int
    columns: NDArray[np.intp]

    @classmethod
    def of(cls, features: FeatureSpec, *, target: str) -> Self:
        """The level of ``target`` among ``features``."""
        names = features.names
        columns = [names.index(name) for name in level_names(features, target=target)]
        return cls(names.index(f"{target}_lag_0"), np.array(columns, dtype=np.intp))

    def relative(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """A copy of ``features`` (n, p) with the latest value subtracted where it belongs."""
        relative = features.copy()
        relative[:, self.columns] -= features[:, self.latest, None]
        return relative


class LinearBase(FrozenModel):
    """A linear regression: the content of ``base.json``.

    Attributes:
        intercept: One number for each output, in the target's unit.
        coefficients: One number for each output, by the feature's name.
    """

    intercept: list[float] = Field(min_length=1)
    coefficients: dict[str, list[float]]

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        rows = [self.intercept, *self.coefficients.values()]
        if any(len(row) != len(self.intercept) for row in rows):
            raise SpecError("every feature needs one coefficient for each output")
        if not all(np.isfinite(row).all() for row in rows):
            raise SpecError("coefficients must be finite numbers")
        return self


@dataclass(frozen=True)
class BaseMatrix:
    """A linear base ready for feature matrices.

    Attributes:
        columns: (q,) columns of the feature matrix.
        coefficients: (q, k) float64.
        intercept: (k,) float64.
    """

    columns: NDArray[np.intp]
    coefficients: NDArray[np.float64]
    intercept: NDArray[np.float64]

    @classmethod
    def of(cls, base: LinearBase, *, names: tuple[str, ...]) -> Self:
        """The base for a matrix whose columns are called ``names``.

        Raises:
            SpecError: The base names a feature that the matrix does not have.
        """
        unknown = sorted(set(base.coefficients) - set(names))
        if unknown:
            raise SpecError(f"the linear base names feature {unknown[0]!r}, which the model lacks")
        return cls(
            np.array([names.index(name) for name in base.coefficients], dtype=np.intp),
            np.array([*base.coefficients.values()]).reshape(-1, len(base.intercept)),
            np.array(base.intercept),
        )

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """The base's part of the predictions (n, k) for ``features`` (n, p).

        Sums are taken feature by feature instead of by BLAS, whose order of summation depends on
        the number of rows: a row's prediction has the same bits alone and among a million.
        """
        predictions = np.empty((len(features), len(self.intercept)))
        for start in range(0, len(features), BLOCK):
            block = features[start : start + BLOCK, self.columns]
            terms = block[:, :, None] * self.coefficients
            predictions[start : start + BLOCK] = terms.sum(axis=1) + self.intercept
        return predictions
