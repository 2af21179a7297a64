"""How far the inputs of a request lie from what the model saw in its training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class InputRanges:
    """The lowest and highest value that each column had in training.

    Attributes:
        columns: c names.
        lowest: (c,) float64; minus infinity where nothing is known.
        highest: (c,) float64; infinity where nothing is known.
    """

    columns: tuple[str, ...]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]

    @classmethod
    def of(cls, columns: Sequence[str], ranges: Mapping[str, tuple[float, float]]) -> Self:
        """The ranges of ``columns``, in their order."""
        bounds = np.array([ranges.get(name, (-np.inf, np.inf)) for name in columns])
        return cls(tuple(columns), bounds[:, 0], bounds[:, 1])

    def outside(self, values: NDArray[np.float64]) -> dict[str, int]:
        """How many of ``values`` (n, c) lie outside, by column; columns with none are left out."""
        beyond = (values < self.lowest) | (values > self.highest)
        if not beyond.any():
            return {}
        counts = beyond.sum(axis=0).tolist()
        return {name: count for name, count in zip(self.columns, counts, strict=True) if count}
