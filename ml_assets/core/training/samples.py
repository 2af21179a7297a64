"""Feature rows with what an estimator learns from them, in chunks that fit the processor's cache.

A forecast of 1.7 million rows by 46 features is never copied as a whole: xgboost and the linear
base both read it chunk by chunk, relative to the latest value of the target.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ml_assets.core.errors import TrainingError
from ml_assets.core.features.training_set import Part
from serving.runtime.linear import BaseMatrix, TargetLevel

CHUNK = 65_536

Labels = NDArray[np.floating]


@dataclass(frozen=True)
class Sample:
    """The rows of one span as an estimator sees them.

    Attributes:
        features: (n, p) float32, as in the training set.
        labels: (n, k) numbers, or (n, 1) positions in the list of classes.
        level: What the features of a forecast are relative to; None for the other tasks.
    """

    features: NDArray[np.float32]
    labels: Labels
    level: TargetLevel | None = None

    @classmethod
    def of_forecast(cls, part: Part, level: TargetLevel) -> Self:
        """Labels minus the latest value of the target."""
        latest = part.features[:, level.latest, None]
        return cls(part.features, part.labels.astype(np.float32, copy=False) - latest, level)

    @classmethod
    def of_regression(cls, part: Part) -> Self:
        """Labels as they are."""
        return cls(part.features, part.labels.astype(np.float64, copy=False)[:, None])

    @classmethod
    def of_classes(cls, part: Part, classes: tuple[str, ...]) -> Self:
        """Labels as positions in ``classes``.

        Raises:
            TrainingError: A label is not one of the classes.
        """
        unknown = sorted({str(name) for name in np.unique(part.labels)} - set(classes))
        if unknown:
            raise TrainingError(
                f"class {unknown[0]!r} has no row in the training span, so it can't be learnt; "
                "give more rows of it, or another split"
            )
        codes = np.searchsorted(np.array(classes), part.labels.astype(np.str_))
        return cls(part.features, codes.astype(np.float32)[:, None])

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.features)

    def chunks(self) -> Iterator[tuple[NDArray[np.float32], Labels]]:
        """Features and labels of at most 65,536 rows at a time, as the estimator sees them."""
        for start in range(0, len(self), CHUNK):
            rows = slice(start, start + CHUNK)
            yield self._seen(rows), self.labels[rows]

    def seen(self) -> NDArray[np.float32]:
        """All feature rows as the estimator sees them, (n, p)."""
        return self._seen(slice(None))

    def minus(self, base: BaseMatrix) -> Self:
        """What the linear base leaves over, (n, k) float32."""
        left = np.empty(self.labels.shape, dtype=np.float32)
        for start in range(0, len(self), CHUNK):
            rows = slice(start, start + CHUNK)
            left[rows] = self.labels[rows] - base.predict(self._seen(rows))
        return replace(self, labels=left)

    def _seen(self, rows: slice) -> NDArray[np.float32]:
        features = self.features[rows]
        return features if self.level is None else self.level.relative(features)
