"""From raw readings to one regular series per entity.

The policy, the same for training and for serving:

* **Time zones.** A timestamp without an offset is a local time in the time zone that the caller
  names; one with an offset ("Z", "+02:00") is that instant. A column holds one kind, not both.
  A local time that the clocks skip in spring or show twice in autumn is an error: which instant is
  meant can't be known, so such readings need an offset.
* **Order and duplicates.** Timestamps rise strictly. One that goes back, or comes twice, is an
  error that names its row (counted from 0) and the timestamp; nothing is sorted or dropped.
* **Grid.** Readings are a whole number of steps apart, counted from the first one; any other
  timestamp is an error.
* **Gaps.** A missing reading is a missing row, or a NaN in one column; every column is on its own.
  The first ``max_gap`` missing steps in a row take the last reading before them, never a later one;
  the rest of a longer gap is NaN, and so is a gap at the start, which has no last reading. So every
  row is the same whether or not the readings after it are known.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.runtime.errors import HistoryError
from serving.runtime.spec import ForecastSpec
from serving.runtime.timestamps import Times, parse_timestamps

__all__ = ["LARGEST_READING", "Series", "Times", "Values", "parse_timestamps", "regularise"]

Values = NDArray[np.float64]
Rows = NDArray[np.intp]

# Features are float32, and the difference of two readings has to fit too.
LARGEST_READING = 1e38
# A grid may be mostly gaps, but two readings centuries apart must not fill the memory.
_FREE_STEPS, _STEPS_PER_READING = 100_000, 100


@dataclass(frozen=True, eq=False)
class Series:
    """The readings of one entity on a regular grid.

    Attributes:
        entity: What the readings belong to.
        timestamps: (n,) datetime64[s] in UTC, one step apart.
        values: (n, c) float64 in the columns' units, NaN where a reading is missing.
    """

    entity: str
    timestamps: Times
    values: Values

    def tail(self, rows: int) -> "Series":
        """The last rows, or all of them if there are fewer."""
        start = max(0, len(self.timestamps) - rows)
        return Series(self.entity, self.timestamps[start:], self.values[start:])


def regularise(timestamps: Times, values: Values, *, forecast: ForecastSpec, entity: str) -> Series:
    """Puts the readings of one entity on a regular grid and fills the beginning of its gaps.

    Args:
        timestamps: (m,) times of the readings in UTC, strictly rising.
        values: (m, c) readings, NaN where one is missing.
        forecast: The grid's step, and ``max_gap``, the steps of a gap that are filled.
        entity: What the readings belong to.

    Returns:
        The series from the first to the last reading.

    Raises:
        HistoryError: There are no readings, or a timestamp is unordered, duplicated or off the
            grid, or a value is too large. The message names the entity, the row and the timestamp.
    """
    readings = np.asarray(values, np.float64)
    if len(timestamps) == 0 or len(timestamps) != len(readings):
        raise HistoryError(
            f"entity {entity!r} has {len(timestamps)} timestamps and {len(readings)} rows of "
            "readings; there must be at least one, and one timestamp for each"
        )
    times = timestamps.astype("datetime64[s]")
    _check_rows(times, readings, forecast=forecast, entity=entity)
    rows = (times - times[0]) // forecast.step_delta
    _check_length(int(rows[-1]) + 1, len(times), forecast=forecast, entity=entity)
    grid = np.full((rows[-1] + 1, readings.shape[1]), np.nan)
    grid[rows] = readings
    _fill_gaps(grid, limit=forecast.max_gap)
    return Series(entity, times[0] + np.arange(len(grid)) * forecast.step_delta, grid)


def _check_rows(times: Times, readings: Values, *, forecast: ForecastSpec, entity: str) -> None:
    def reject(wrong: NDArray[np.bool_], problem: str) -> None:
        if wrong.any():
            row = int(wrong.argmax())
            raise HistoryError(
                f"entity {entity!r}, row {row} of its readings (counted from 0), "
                f"{times[row]} UTC: {problem}"
            )

    since_last = np.diff(times, prepend=times[0] - forecast.step_delta).astype(np.int64)
    reject(since_last == 0, "the same timestamp as the row before it; give each time one row")
    reject(since_last < 0, "earlier than the row before it; give the rows in the order of time")
    off_grid = (times - times[0]).astype(np.int64) % forecast.step_seconds != 0
    reject(off_grid, f"not a whole number of steps of {forecast.step} after the first reading")
    largest = np.fmax.reduce(np.abs(readings), axis=1, initial=0.0)
    reject(
        largest > LARGEST_READING,
        f"a value is beyond {LARGEST_READING:g}; leave it empty if it is missing",
    )


def _check_length(steps: int, readings: int, *, forecast: ForecastSpec, entity: str) -> None:
    if steps > _FREE_STEPS + _STEPS_PER_READING * readings:
        raise HistoryError(
            f"entity {entity!r} has {readings} readings in {steps} steps of {forecast.step}; "
            "check its first and last timestamp, and forecast.step"
        )


def _fill_gaps(grid: Values, *, limit: int) -> None:
    """Fills at most ``limit`` steps of each gap in place, each column on its own."""
    columns, starts, lengths = _gaps(np.isnan(grid))
    inside = starts > 0
    columns, starts = columns[inside], starts[inside]
    lengths = np.minimum(lengths[inside], limit)
    before = np.repeat(np.cumsum(lengths) - lengths, lengths)
    first = np.repeat(starts, lengths)
    column = np.repeat(columns, lengths)
    grid[first + np.arange(len(first)) - before, column] = grid[first - 1, column]


def _gaps(missing: NDArray[np.bool_]) -> tuple[Rows, Rows, Rows]:
    """Column, first row and length of every run of missing values."""
    rows, columns = missing.shape
    framed = np.zeros((columns, rows + 1), bool)
    framed[:, :rows] = missing.T
    flat = np.concatenate(([False], framed.ravel()))
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    column, first = np.divmod(edges[0::2], rows + 1)
    return column, first, edges[1::2] - edges[0::2]
