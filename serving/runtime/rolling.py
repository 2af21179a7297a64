"""Statistics over trailing windows whose last bit depends on nothing but the window's contents.

A window of any length is put together from windows of lengths 1, 2, 4, ..., each made of two of
half the length by one vectorised operation. So a window costs about log2(length) operations, and
nothing is carried along the series: running sums lose digits and depend on where they began, but
here a value is the same to the last bit wherever its window lies in whatever array.

Mean and scatter (the sum of squared deviations) are merged as in Chan, Golub and LeVeque, "Updating
formulae and a pairwise algorithm for computing sample variances" (1979).
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.runtime.spec import Statistic

Array = NDArray[np.float64]


def trailing_statistics(
    values: Array, windows: Mapping[int, Collection[Statistic]], *, rows: int
) -> Iterator[tuple[int, Statistic, Array]]:
    """Statistics over the windows that end at each of the last rows.

    Args:
        values: (c, m) series side by side, m at least ``rows`` - 1 plus the longest window.
        windows: The statistics wanted of each length of window, in steps. ``std`` is the sample
            standard deviation (divided by the length minus 1, as pandas does).
        rows: How many of the last rows are wanted.

    Yields:
        Window, statistic and its (c, rows) values, NaN where the window holds a NaN.
    """
    spread = _wanting("std", windows)
    for part in _moments(values, spread | _wanting("mean", windows), spread, rows=rows):
        if "mean" in windows[part.size]:
            yield part.size, "mean", part.mean
        if part.scatter is not None:
            yield part.size, "std", np.sqrt(part.scatter * (1 / (part.size - 1)))
    for window, least in _extremes(values, _wanting("min", windows), np.minimum, rows=rows):
        yield window, "min", least
    for window, greatest in _extremes(values, _wanting("max", windows), np.maximum, rows=rows):
        yield window, "max", greatest


def _wanting(name: Statistic, windows: Mapping[int, Collection[Statistic]]) -> frozenset[int]:
    return frozenset(window for window, names in windows.items() if name in names)


def _extremes(
    values: Array, windows: Collection[int], extreme: np.ufunc, *, rows: int
) -> Iterator[tuple[int, Array]]:
    """A window's extreme is that of its youngest and its oldest 2**k steps; they may overlap."""
    level = values
    for size in _powers_of_two(max(windows, default=0)):
        if size > 1:
            level = extreme(level[:, size // 2 :], level[:, : -(size // 2)])
        for window in windows:
            if size <= window < 2 * size:
                oldest = _ending(level, before=window - size, rows=rows)
                yield window, extreme(_ending(level, before=0, rows=rows), oldest)


@dataclass
class _Part:
    """Mean and scatter of the youngest steps of each row's window, while it is put together."""

    size: int
    mean: Array
    scatter: Array | None

    def extend(self, older: "_Part") -> None:
        """Takes in the steps that come before those it holds."""
        both = self.size + older.size
        shift = older.mean - self.mean
        self.mean = self.mean + shift * (older.size / both)
        if self.scatter is not None and older.scatter is not None:
            shift *= shift
            shift *= self.size * older.size / both
            self.scatter = (self.scatter + older.scatter) + shift
        self.size = both


def _moments(
    values: Array, windows: Collection[int], spread: Collection[int], *, rows: int
) -> Iterator[_Part]:
    """Mean, and scatter for those in ``spread``, from parts as in the length's binary digits."""
    parts: dict[int, _Part] = {}
    levels = _moments_of_powers(values, max(windows, default=0), max(spread, default=0))
    for size, sums, scatter in levels:
        for window in (window for window in windows if window & size):
            before = window & (size - 1)
            older = _Part(
                size,
                _ending(sums, before=before, rows=rows) * (1 / size),
                _ending(scatter, before=before, rows=rows) if window in spread else None,
            )
            if before:
                parts[window].extend(older)
            else:
                parts[window] = older
            if window < 2 * size:
                yield parts.pop(window)


def _moments_of_powers(
    values: Array, longest: int, longest_spread: int
) -> Iterator[tuple[int, Array, Array]]:
    """Size, sum and scatter of the windows of 1, 2, 4, ... steps at every position."""
    sums, scatter = values, np.zeros_like(values)
    for size in _powers_of_two(longest):
        if size > 1:
            half = size // 2
            younger, older = sums[:, half:], sums[:, :-half]
            if size <= longest_spread:
                shift = younger - older
                shift *= shift
                shift *= 1 / size
                shift += scatter[:, half:]
                shift += scatter[:, :-half]
                scatter = shift
            sums = younger + older
        yield size, sums, scatter


def _ending(level: Array, *, before: int, rows: int) -> Array:
    """Of windows at every position, those that end some steps before each of the last rows."""
    stop = level.shape[1] - before
    return level[:, stop - rows : stop]


def _powers_of_two(largest: int) -> Iterator[int]:
    return (1 << digit for digit in range(largest.bit_length()))
