"""Naive predictions that every model must beat: last value, same hour yesterday, mean, prior."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ml_assets.core.errors import DataError
from ml_assets.core.evaluation.metrics import TargetScale, class_codes, rows_by_entity
from ml_assets.core.features.training_set import Part
from serving.runtime.history import Series
from serving.runtime.spec import ForecastSpec

SECONDS_PER_DAY = 86_400
IN_WORDS: Mapping[str, str] = {
    "persistence": "repeating the last value",
    "seasonal_naive": "the same hour yesterday",
    "mean": "the mean of the training rows",
    "class_prior": "the shares of the classes in the training rows",
}


def naive_forecasts(
    part: Part, series: Sequence[Series], *, forecast: ForecastSpec
) -> dict[str, NDArray[np.float64]]:
    """The naive forecasts at the origins of ``part``.

    Args:
        part: Rows whose origins are forecast from.
        series: The regular series of all entities; the target is the last column.
        forecast: Step and horizon.

    Returns:
        By name an array (n, horizon) in the target's unit, NaN where the history has no value.

    Raises:
        DataError: An entity has no series, or an origin is not on its grid.
    """
    season = seasonal_offsets(forecast)
    return {
        "persistence": persistence(part, series, forecast=forecast),
        "seasonal_naive": _values_at(part, series, offsets=season, forecast=forecast),
    }


def persistence(
    part: Part, series: Sequence[Series], *, forecast: ForecastSpec
) -> NDArray[np.float64]:
    """(n, horizon) the target's value at each origin, for every step ahead."""
    same = np.zeros(forecast.horizon, dtype=np.int64)
    return _values_at(part, series, offsets=same, forecast=forecast)


def seasonal_offsets(forecast: ForecastSpec) -> NDArray[np.int64]:
    """(horizon,) the step, relative to the origin, that stands in for each step ahead.

    It is one day before the target time, or as many whole days as it takes to lie at or before
    the origin: h - season * ceil(h / season). Where a day is not a whole number of steps, the
    season is the shortest time that is a whole number of both.
    """
    season = math.lcm(SECONDS_PER_DAY, forecast.step_seconds) // forecast.step_seconds
    ahead = np.arange(1, forecast.horizon + 1)
    return ahead - season * -(-ahead // season)


def latest_readings(
    part: Part, series: Sequence[Series], *, forecast: ForecastSpec
) -> NDArray[np.float64]:
    """(n, c) the readings of all columns at each origin, the target last; NaN where missing."""
    known = {one.entity: one for one in series}
    groups = rows_by_entity(part.entities)
    order = np.argsort(np.concatenate(list(groups.values())))
    values = [
        one.values[_grid_index(part.timestamps[rows], one, forecast)]
        for entity, rows in groups.items()
        for one in [_series_of(entity, known)]
    ]
    return np.concatenate(values)[order]


def _series_of(entity: str, known: Mapping[str, Series]) -> Series:
    if entity not in known:
        raise DataError(f"entity {entity!r} has rows but no readings; build the dataset again")
    return known[entity]


def _values_at(
    part: Part, series: Sequence[Series], *, offsets: NDArray[np.int64], forecast: ForecastSpec
) -> NDArray[np.float64]:
    known = {one.entity: one for one in series}
    values = np.full((len(part), len(offsets)), np.nan)
    for entity, rows in rows_by_entity(part.entities).items():
        one = _series_of(entity, known)
        origins = _grid_index(part.timestamps[rows], one, forecast)
        values[rows] = _take(one.values[:, -1], origins[:, None] + offsets)
    return values


def _grid_index(
    origins: NDArray[np.datetime64], series: Series, forecast: ForecastSpec
) -> NDArray[np.int64]:
    distance = origins - series.timestamps[0]
    off_grid = distance % forecast.step_delta != np.timedelta64(0)
    if off_grid.any():
        raise DataError(
            f"origin {origins[off_grid][0]} of entity {series.entity!r} is not on the grid of "
            f"{forecast.step} that begins at {series.timestamps[0]}"
        )
    return np.asarray(distance // forecast.step_delta, dtype=np.int64)


def _take(values: NDArray[np.float64], index: NDArray[np.int64]) -> NDArray[np.float64]:
    inside = (index >= 0) & (index < len(values))
    return np.where(inside, values[np.where(inside, index, 0)], np.nan)


def training_scale(train: Part, series: Sequence[Series], *, forecast: ForecastSpec) -> TargetScale:
    """The scale of the target over all readings up to the last label of the training rows."""
    end = train.timestamps.max() + forecast.horizon * forecast.step_delta
    return TargetScale.of(np.concatenate([one.values[one.timestamps <= end, -1] for one in series]))


def training_mean(train: Part, *, rows: int) -> dict[str, NDArray[np.float64]]:
    """The mean label of the training rows, ``rows`` times."""
    return {"mean": np.full(rows, train.labels.astype(np.float64).mean())}


def class_prior(
    train: Part, *, rows: int, classes: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """(rows, k) the share of each class in the training rows."""
    counts = np.bincount(class_codes(train.labels, classes), minlength=len(classes))
    return {"class_prior": np.tile(counts / counts.sum(), (rows, 1))}


def class_names(train: Part) -> tuple[str, ...]:
    """The classes of the training rows, in alphabetical order."""
    return tuple(str(name) for name in np.unique(train.labels))
