"""The maths of a model: what it is relative to, its linear base and its estimator, added up."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.runtime.errors import RequestError
from serving.runtime.estimators import Estimator
from serving.runtime.linear import BaseMatrix, TargetLevel

CHUNK = 65_536


@dataclass(frozen=True)
class Predictor:
    """The maths of a model, without its files.

    Attributes:
        features: p, the columns of a feature matrix.
        outputs: k, the numbers predicted for each row.
        level: What a forecast is relative to; None for the other tasks.
        base: A linear regression that the estimator adds to, or None.
        estimator: What was fitted to the rest.
    """

    features: int
    outputs: int
    level: TargetLevel | None
    base: BaseMatrix | None
    estimator: Estimator

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Predictions (n, k) for ``features`` (n, p).

        Raises:
            RequestError: The matrix does not have p columns.
        """
        if features.ndim != 2 or features.shape[1] != self.features:
            raise RequestError(
                f"the model takes {self.features} features in each row; got {features.shape}"
            )
        predictions = np.empty((len(features), self.outputs))
        for start in range(0, len(features), CHUNK):
            rows = slice(start, start + CHUNK)
            predictions[rows] = self._predict_rows(features[rows])
        return predictions

    def _predict_rows(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        features = np.ascontiguousarray(features, dtype=np.float32)
        seen = features if self.level is None else self.level.relative(features)
        found = self.estimator.predict(seen).reshape(len(features), self.outputs)
        predictions = found.astype(np.float64)
        if self.base is not None:
            predictions += self.base.predict(seen)
        if self.level is not None:
            predictions += features[:, self.level.latest, None]
        return predictions
