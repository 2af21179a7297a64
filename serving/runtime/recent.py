"""The recent history of each entity in a request, checked and put on a regular grid.

Only the last ``lookback`` steps of an entity count, and the readings just before them that fill a
gap at their start. Older rows are checked for their order and their grid, and then left out, so a
long history costs little time and no memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.runtime.errors import HistoryError, Problem, RequestError
from serving.runtime.history import (
    LARGEST_READING,
    Series,
    Times,
    Values,
    parse_timestamps,
    regularise,
)
from serving.runtime.request import (
    Columns,
    Findings,
    check_columns,
    identifiers,
    number_rows,
    texts,
)
from serving.runtime.spec import ColumnSpec, FeatureSpec, ForecastSpec

Rows = NDArray[np.intp]

_STEP_WORDS = {"1h": "hourly", "1d": "daily"}


@dataclass(frozen=True, eq=False)
class RecentHistory:
    """What a request says about the recent past.

    Attributes:
        series: The last ``lookback`` steps of each entity, in the order of the entities' first
            rows. The one series of a request without an entity column has the key ``None``.
        missing: Readings that are not there in these steps, before any gap was filled.
    """

    series: Mapping[str | None, Series]
    missing: int


def recent_history(
    data: Columns, *, columns: ColumnSpec, forecast: ForecastSpec, timezone: str
) -> RecentHistory:
    """Reads the columns of a request for a forecast.

    Args:
        data: Lists by column name; rows of several entities may be mixed.
        columns: Which column is what.
        forecast: Step and lookback of the model.
        timezone: IANA name of the time zone of timestamps without an offset.

    Raises:
        RequestError: A column or a value is wrong, or an entity has too little history.
    """
    timestamp = columns.timestamp or "timestamp"
    entities = [columns.entity] if columns.entity else []
    check_columns(data, required=(timestamp, *columns.numeric), optional=entities)
    findings = Findings()
    with findings.gathered():
        times = _times(timestamp, data, timezone=timezone)
    with findings.gathered():
        values = number_rows(data, columns.numeric, largest=LARGEST_READING)
    with findings.gathered():
        groups = _rows_by_entity(data, column=columns.entity)
    findings.tell()
    series: dict[str | None, Series] = {}
    present = 0
    for entity, rows in groups.items():
        label = _label(entity, column=columns.entity)
        with findings.gathered():
            _check_order(times[rows], rows, label=label, column=timestamp, forecast=forecast)
            _check_span(times[rows], label=label, column=timestamp, forecast=forecast)
            series[entity] = _latest(times[rows], values[rows], label=label, forecast=forecast)
            present += _count_present(times[rows], values[rows], forecast=forecast)
    findings.tell()
    expected = len(series) * forecast.lookback * len(columns.numeric)
    return RecentHistory(series, missing=expected - present)


def _count_present(times: Times, values: Values, *, forecast: ForecastSpec) -> int:
    start = np.searchsorted(times, times[-1] - (forecast.lookback - 1) * forecast.step_delta)
    return int(np.isfinite(values[start:]).sum())


def _times(name: str, data: Columns, *, timezone: str) -> Times:
    expected = "a timestamp such as '2018-02-20 13:00:00'"
    try:
        return parse_timestamps(texts(name, data[name], expected=expected), timezone=timezone)
    except HistoryError as error:
        raise RequestError(Problem(f"column {name!r}, {error}", name, error.row)) from error


def _rows_by_entity(data: Columns, *, column: str | None) -> dict[str | None, Rows]:
    if column is None or column not in data:
        return {None: np.arange(len(next(iter(data.values()))))}
    entities = identifiers(column, data[column])
    groups: dict[str | None, list[int]] = {entity: [] for entity in entities}
    for row, entity in enumerate(entities):
        groups[entity].append(row)
    return {entity: np.array(rows) for entity, rows in groups.items()}


def _label(entity: str | None, *, column: str | None) -> str:
    if entity is not None:
        return f"{column} {entity}"
    return "the history" if column is None else f"the history without column {column!r}"


def _check_order(
    times: Times, rows: Rows, *, label: str, column: str, forecast: ForecastSpec
) -> None:
    """Checks the whole history of an entity, so that messages name the rows of the request."""
    seconds = np.diff(times).astype(np.int64)
    wrong = np.flatnonzero((seconds <= 0) | (seconds % forecast.step_seconds != 0))
    if len(wrong):
        before, row = wrong[0], wrong[0] + 1
        whole = f"a whole number of steps of {forecast.step} " if seconds[before] > 0 else ""
        message = (
            f"column {column!r}, {label}: row {rows[row]} ({times[row]}Z) must be {whole}after "
            f"row {rows[before]} ({times[before]}Z), the one before it"
        )
        raise RequestError(Problem(message, column, int(rows[row])))


def _check_span(times: Times, *, label: str, column: str, forecast: ForecastSpec) -> None:
    steps = (times[-1] - times[0]) // forecast.step_delta + 1
    if steps < forecast.lookback:
        word = _STEP_WORDS.get(forecast.step, f"{forecast.step} steps of")
        readings = "reading" if steps == 1 else "readings"
        message = (
            f"{label} has {steps} {word} {readings} up to {times[-1]}Z; at least "
            f"{forecast.lookback} are needed"
        )
        raise RequestError(Problem(message, column))


def _latest(times: Times, values: Values, *, label: str, forecast: ForecastSpec) -> Series:
    """The last ``lookback`` steps, with the gaps filled as if all of the history were there."""
    before = (forecast.lookback - 1 + forecast.max_gap) * forecast.step_delta
    start = np.searchsorted(times, times[-1] - before)
    try:
        series = regularise(times[start:], values[start:], forecast=forecast, entity=label)
    except HistoryError as error:
        raise RequestError(str(error)) from error
    series = series.tail(forecast.lookback)
    unknown = forecast.lookback - len(series.timestamps)
    return Series(
        entity=label,
        timestamps=times[-1] - np.arange(forecast.lookback)[::-1] * forecast.step_delta,
        values=np.pad(series.values, ((unknown, 0), (0, 0)), constant_values=np.nan),
    )


def missing_reading(
    series: Series, *, columns: ColumnSpec, features: FeatureSpec, forecast: ForecastSpec
) -> RequestError:
    """The error that names the gap because of which the latest features can't be computed.

    Args:
        series: History whose last row has a feature that is NaN.
        columns: The columns of the series' values.
        features: The features.
        forecast: How much of a gap is filled.
    """
    gaps = {
        name: _latest_gap(series, column=name, reach=spec.reach, columns=columns, forecast=forecast)
        for name, spec in features.columns.items()
    }
    fills = f"the reading before a gap fills at most the first {forecast.max_gap} steps of it"
    return RequestError(
        *(Problem(f"{series.entity}: {gap}; {fills}", name) for name, gap in gaps.items() if gap)
    )


def _latest_gap(
    series: Series, *, column: str, reach: int, columns: ColumnSpec, forecast: ForecastSpec
) -> str:
    """The latest gap that is not filled, with its first steps, which are."""
    missing = np.isnan(series.values[:, columns.numeric.index(column)])
    if not missing[-reach - 1 :].any():
        return ""
    last = np.flatnonzero(missing)[-1]
    known = np.flatnonzero(~missing[:last])
    first = known[-1] + 1 - forecast.max_gap if len(known) else 0
    start = series.timestamps[0] + first * forecast.step_delta
    return f"column {column!r} has no reading from {start}Z to {series.timestamps[last]}Z"
