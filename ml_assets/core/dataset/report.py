"""What the checks of a dataset look at: types, duplicates, gaps, ranges and age."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml_assets.core.dataset.frames import column_type, entity_codes, utc_times
from serving.runtime.spec import ColumnSpec, ForecastSpec


@dataclass(frozen=True)
class EntityGaps:
    """The steps that an entity has no row for, between its first and its last reading.

    Attributes:
        entity: Its name.
        gaps: Number of gaps.
        missing_steps: Steps in all of them.
        longest_steps: Steps in the longest.
        longest_after: The last reading before the longest, in UTC; None without a gap.
    """

    entity: str
    gaps: int
    missing_steps: int
    longest_steps: int
    longest_after: datetime | None


@dataclass(frozen=True)
class RangeReport:
    """The values of a column that lie outside its plausible range.

    Attributes:
        column: Its name.
        low: Lowest plausible value.
        high: Highest plausible value.
        rows: Number of values below or above.
        first_value: The first of them; None without any.
        first_place: Where that is, in words; "" without any.
    """

    column: str
    low: float
    high: float
    rows: int
    first_value: float | None
    first_place: str


@dataclass(frozen=True)
class DatasetReport:
    """What is in a dataset.

    Attributes:
        rows: Number of rows.
        entities: Number of entities; 1 for a table without a column of them.
        first: Earliest timestamp in UTC; None without timestamps.
        last: Latest timestamp in UTC; None without timestamps.
        types: What each column holds, by name.
        missing: Empty cells of each column, by name.
        duplicates: Rows whose entity and timestamp an earlier row has too.
        gaps: Per entity, in order of name; empty without a forecast.
        out_of_range: Per column that has a range.
        age_hours: Hours from the latest timestamp to now; None without timestamps.
    """

    rows: int
    entities: int
    first: datetime | None
    last: datetime | None
    types: Mapping[str, str]
    missing: Mapping[str, int]
    duplicates: int
    gaps: tuple[EntityGaps, ...]
    out_of_range: tuple[RangeReport, ...]
    age_hours: float | None


def describe(
    frame: pd.DataFrame, *, columns: ColumnSpec, forecast: ForecastSpec | None, now: datetime
) -> DatasetReport:
    """Looks through a dataset, as `ml_assets.core.dataset.snapshot.validate` returns it.

    Args:
        frame: Rows sorted by entity, then timestamp.
        columns: Which column is what, and the plausible ranges.
        forecast: Gives the step that gaps are counted in; None for a table without a forecast.
        now: The time that the age is measured at, with its time zone.
    """
    codes, names = entity_codes(frame, columns.entity)
    times = utc_times(frame, columns.timestamp) if columns.timestamp else None
    first, last = (None, None) if times is None else (_moment(times.min()), _moment(times.max()))
    return DatasetReport(
        rows=len(frame),
        entities=len(names),
        first=first,
        last=last,
        types={str(name): column_type(frame[name]) for name in frame.columns},
        missing={str(name): int(count) for name, count in frame.isna().sum().items()},
        duplicates=0 if times is None else _duplicates(times, codes),
        gaps=() if times is None or forecast is None else _gaps(times, codes, names, forecast),
        out_of_range=tuple(_range(frame, name, columns) for name in columns.ranges),
        age_hours=None if last is None else (now - last).total_seconds() / 3600,
    )


def _duplicates(times: NDArray[np.datetime64], codes: NDArray[np.intp]) -> int:
    return int(np.count_nonzero((np.diff(codes) == 0) & (times[1:] == times[:-1])))


def _gaps(
    times: NDArray[np.datetime64],
    codes: NDArray[np.intp],
    names: tuple[str, ...],
    forecast: ForecastSpec,
) -> tuple[EntityGaps, ...]:
    missing = np.diff(times) // forecast.step_delta - 1
    before = np.flatnonzero((np.diff(codes) == 0) & (missing > 0))
    return tuple(
        _entity_gaps(name, missing[mine], times[mine])
        for code, name in enumerate(names)
        for mine in [before[codes[before] == code]]
    )


def _entity_gaps(
    entity: str, missing: NDArray[np.int64], before: NDArray[np.datetime64]
) -> EntityGaps:
    """Sums up gaps: the steps (g,) they miss, and the time (g,) of the reading before them."""
    if not missing.size:
        return EntityGaps(entity, 0, 0, 0, None)
    longest = missing.argmax()
    return EntityGaps(
        entity=entity,
        gaps=missing.size,
        missing_steps=int(missing.sum()),
        longest_steps=int(missing[longest]),
        longest_after=_moment(before[longest]),
    )


def _range(frame: pd.DataFrame, name: str, columns: ColumnSpec) -> RangeReport:
    low, high = columns.ranges[name]
    values = frame[name].to_numpy(np.float64)
    outside = np.flatnonzero((values < low) | (values > high))
    if not outside.size:
        return RangeReport(name, low, high, 0, None, "")
    row = frame.iloc[int(outside[0])]
    keys = [str(row[key]) for key in (columns.entity, columns.timestamp) if key]
    place = ", ".join(keys) or f"row {outside[0] + 1}"
    return RangeReport(name, low, high, outside.size, float(row[name]), place)


def _moment(time: np.datetime64) -> datetime:
    return pd.Timestamp(time).to_pydatetime().replace(tzinfo=UTC)
