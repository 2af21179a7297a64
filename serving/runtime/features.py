"""The features of a forecast, computed by one function for training and for serving.

A row's features come from the values in that row's windows and from nothing else, by operations
that IEEE 754 rounds correctly. So a row that is computed online from the last readings equals the
same row of the whole history to the last bit.

Calendar features are the sine and the cosine of a position in a cycle: ``hour_of_day`` of the time
of day to the second, ``day_of_week`` of the whole day with Monday as 0, ``day_of_year`` of the
whole day with 1 January as 0, in a year of 365.25 days; all on the clocks of ``spec.timezone``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from serving.runtime.errors import HistoryError, SpecError
from serving.runtime.history import Series, Times, Values
from serving.runtime.rolling import trailing_statistics
from serving.runtime.spec import CalendarField, ColumnFeatures, FeatureSpec, Statistic
from serving.runtime.zones import Seconds, utc_offsets

Features = NDArray[np.float32]

# Values at a time: with the intermediate results of all windows, they stay in a core's cache.
_BLOCK = 8192
_DAY = 86_400


def compute_features(series: Series, *, columns: Sequence[str], spec: FeatureSpec) -> Features:
    """The features of every row of a series.

    Args:
        series: One entity's readings, n rows.
        columns: Names of the columns of ``series.values``, in order.
        spec: What to compute; its names are those of the result's columns.

    Returns:
        (n, p) float32, column by column in memory. Row i is computed from rows up to i, in float64;
        a feature is NaN where a value that it needs is missing or lies before the series.

    Raises:
        HistoryError: The series does not have these columns.
        SpecError: The spec names a column that is not there.
    """
    return _last_rows(series, len(series.timestamps), columns=columns, spec=spec).T


def latest_features(series: Series, *, columns: Sequence[str], spec: FeatureSpec) -> Features:
    """The features of a series' last row, equal to those of `compute_features` to the last bit.

    Args:
        series: One entity's readings; only the last ``spec.reach + 1`` rows are read.
        columns: Names of the columns of ``series.values``, in order.
        spec: What to compute.

    Returns:
        (p,) float32.

    Raises:
        HistoryError: The series has no rows, or not these columns.
        SpecError: The spec names a column that is not there.
    """
    if len(series.timestamps) == 0:
        raise HistoryError(f"entity {series.entity!r} has no readings to compute features from")
    return _last_rows(series, 1, columns=columns, spec=spec)[:, 0]


def _last_rows(series: Series, rows: int, *, columns: Sequence[str], spec: FeatureSpec) -> Features:
    """(p, rows) features of the last rows."""
    if len(columns) != series.values.shape[1]:
        raise HistoryError(
            f"entity {series.entity!r} has {series.values.shape[1]} columns of values; "
            f"they should be {', '.join(columns)}"
        )
    groups, width = _groups(columns, spec)
    features = np.empty((width + 2 * len(spec.calendar), rows), np.float32)
    for group in groups:
        _write_columns(features, series.values, group)
    _write_calendar(features[width:], series.timestamps, spec)
    return features


@dataclass
class _Group:
    """Columns with the same features, which are computed side by side."""

    features: ColumnFeatures
    columns: list[int]
    slots: list[int]


def _groups(columns: Sequence[str], spec: FeatureSpec) -> tuple[list[_Group], int]:
    """The columns in groups, each with the number of its first feature; and all their features."""
    groups: list[_Group] = []
    slot = 0
    for name, features in spec.columns.items():
        if name not in columns:
            known = ", ".join(columns)
            raise SpecError(f"features.columns names {name!r}; the columns are {known}")
        group = next((group for group in groups if group.features == features), None)
        if group is None:
            group = _Group(features, [], [])
            groups.append(group)
        group.columns.append(columns.index(name))
        group.slots.append(slot)
        slot += _count(features)
    return groups, slot


def _count(features: ColumnFeatures) -> int:
    statistics = sum(len(rolling.statistics) for rolling in features.rolling)
    return len(features.lags) + len(features.differences) + statistics


def _write_columns(out: Features, values: Values, group: _Group) -> None:
    """Writes the group's features of the last rows, as many as ``out`` has."""
    past = len(values) - out.shape[1]
    length = max(1, _BLOCK // len(group.columns), 2 * group.features.reach)
    for start, stop in _blocks(out.shape[1], length):
        block = _with_past(values, past + start, past + stop, group)
        for offset, results in _column_features(block, group.features, rows=stop - start):
            for slot, result in zip(group.slots, results, strict=True):
                out[slot + offset, start:stop] = result


def _write_calendar(out: Features, times: Times, spec: FeatureSpec) -> None:
    """Writes the calendar features of the last rows, as many as ``out`` has."""
    past = len(times) - out.shape[1]
    for start, stop in _blocks(out.shape[1], _BLOCK):
        for row, wave in zip(out, _calendar(times[past + start : past + stop], spec), strict=True):
            row[start:stop] = wave


def _blocks(rows: int, length: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + length, rows)) for start in range(0, rows, length))


def _with_past(values: Values, start: int, stop: int, group: _Group) -> Values:
    """(c, reach + stop - start) of the group's columns: the rows and all that they look back on."""
    reach = group.features.reach
    block = np.full((len(group.columns), reach + stop - start), np.nan)
    first = max(0, start - reach)
    for row, column in zip(block, group.columns, strict=True):
        # Adding 0 turns -0 into 0: which of the two is the lesser is up to the processor.
        np.add(values[first:stop, column], 0.0, out=row[len(row) - (stop - first) :])
    return block


def _column_features(
    values: Values, features: ColumnFeatures, *, rows: int
) -> Iterator[tuple[int, Values]]:
    """Number and (c, rows) values of each feature, for the last rows of the (c, m) values."""
    size = values.shape[1]
    latest = values[:, size - rows :]
    for offset, lag in enumerate(features.lags):
        yield offset, values[:, size - rows - lag : size - lag]
    for offset, steps in enumerate(features.differences, len(features.lags)):
        yield offset, latest - values[:, size - rows - steps : size - steps]
    first = len(features.lags) + len(features.differences)
    wanted = [(part.window, name) for part in features.rolling for name in part.statistics]
    windows: dict[int, list[Statistic]] = {}
    for window, name in wanted:
        windows.setdefault(window, []).append(name)
    for window, name, result in trailing_statistics(values, windows, rows=rows):
        for offset, key in enumerate(wanted, first):
            if key == (window, name):
                yield offset, result


def _calendar(times: Times, spec: FeatureSpec) -> Iterator[Features]:
    """(n,) sine, then cosine, of each calendar field."""
    utc = times.astype("datetime64[s]").astype(np.int64)
    local = utc + utc_offsets(utc, zone=spec.timezone)
    days = local // _DAY
    for field in spec.calendar:
        positions = _positions(field, local, days)
        for wave in _waves(field):
            yield wave[positions]


def _positions(field: CalendarField, local: Seconds, days: Seconds) -> Seconds:
    if field == "hour_of_day":
        return local - days * _DAY
    if field == "day_of_week":
        return (days + 3) % 7  # day 0 was a Thursday
    dates = days.astype("datetime64[D]")
    positions: Seconds = (dates - dates.astype("datetime64[Y]")).astype(np.int64)
    return positions


@lru_cache(maxsize=3)
def _waves(field: CalendarField) -> tuple[Features, Features]:
    """Sine and cosine at every position of a cycle."""
    positions, period = {
        "hour_of_day": (_DAY, _DAY),
        "day_of_week": (7, 7),
        "day_of_year": (366, 365.25),
    }[field]
    angles = np.arange(positions) * (2 * np.pi / period)
    return np.sin(angles).astype(np.float32), np.cos(angles).astype(np.float32)
