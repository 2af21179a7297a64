"""The recent history of each entity in a request, checked and put on a regular grid.

Only the last ``lookback`` steps of an entity count, and the readings just before them that fill a
gap at their start. Older rows are checked for their order and their grid, and then left out, so a
long history costs little time and no memory.
"""

import reprlib

import numpy as np
from numpy.typing import NDArray

from serving.runtime.errors import HistoryError, RequestError
from serving.runtime.history import Series, Times, Values, parse_timestamps, regularise
from serving.runtime.request import Columns, check_columns, identifiers, numbers
from serving.runtime.spec import ColumnSpec, FeatureSpec, ForecastSpec

Rows = NDArray[np.intp]

_STEP_WORDS = {"1h": "hourly", "1d": "daily"}


def recent_history(
    data: Columns, *, columns: ColumnSpec, forecast: ForecastSpec, timezone: str
) -> dict[str | None, Series]:
    """Reads the columns of a request for a forecast.

    Args:
        data: Lists by column name; rows of several entities may be mixed.
        columns: Which column is what.
        forecast: Step and lookback of the model.
        timezone: IANA name of the time zone of timestamps without an offset.

    Returns:
        The last ``lookback`` steps of each entity, in the order of the entities' first rows. The
        one series of a request without an entity column has the key ``None``.

    Raises:
        RequestError: A column or a value is wrong, or an entity has too little history.
        HistoryError: A value is beyond what features can hold.
    """
    timestamp = columns.timestamp or "timestamp"
    entities = [columns.entity] if columns.entity else []
    check_columns(data, required=(timestamp, *columns.numeric), optional=entities)
    times = _times(timestamp, data, timezone=timezone)
    values = np.column_stack([numbers(name, data[name]) for name in columns.numeric])
    history: dict[str | None, Series] = {}
    for entity, rows in _rows_by_entity(data, column=columns.entity).items():
        label = _label(entity, column=columns.entity)
        _check_order(times[rows], rows, label=f"column {timestamp!r}, {label}", forecast=forecast)
        _check_span(times[rows], label=label, forecast=forecast)
        history[entity] = _latest(times[rows], values[rows], label=label, forecast=forecast)
    return history


def _times(name: str, data: Columns, *, timezone: str) -> Times:
    texts = [value for value in data[name] if isinstance(value, str)]
    if len(texts) < len(data[name]):
        row, value = next(pair for pair in enumerate(data[name]) if not isinstance(pair[1], str))
        raise RequestError(
            f"column {name!r}, row {row}: expected a timestamp such as '2018-02-20 13:00:00', got "
            f"{reprlib.repr(value)}"
        )
    try:
        return parse_timestamps(texts, timezone=timezone)
    except HistoryError as error:
        raise RequestError(f"column {name!r}, {error}") from error


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


def _check_order(times: Times, rows: Rows, *, label: str, forecast: ForecastSpec) -> None:
    """Checks the whole history of an entity, so that messages name the rows of the request."""
    seconds = np.diff(times).astype(np.int64)
    wrong = np.flatnonzero((seconds <= 0) | (seconds % forecast.step_seconds != 0))
    if len(wrong):
        before, row = wrong[0], wrong[0] + 1
        whole = f"a whole number of steps of {forecast.step} " if seconds[before] > 0 else ""
        raise RequestError(
            f"{label}: row {rows[row]} ({times[row]}Z) must be {whole}after row {rows[before]} "
            f"({times[before]}Z), the one before it"
        )


def _check_span(times: Times, *, label: str, forecast: ForecastSpec) -> None:
    steps = (times[-1] - times[0]) // forecast.step_delta + 1
    if steps < forecast.lookback:
        word = _STEP_WORDS.get(forecast.step, f"{forecast.step} steps of")
        raise RequestError(
            f"{label} has {steps} {word} readings up to {times[-1]}Z; at least "
            f"{forecast.lookback} are needed"
        )


def _latest(times: Times, values: Values, *, label: str, forecast: ForecastSpec) -> Series:
    """The last ``lookback`` steps, with the gaps filled as if all of the history were there."""
    before = (forecast.lookback - 1 + forecast.max_gap) * forecast.step_delta
    start = np.searchsorted(times, times[-1] - before)
    series = regularise(times[start:], values[start:], forecast=forecast, entity=label)
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
    gaps = (
        _latest_gap(series, column=name, reach=spec.reach, columns=columns, forecast=forecast)
        for name, spec in features.columns.items()
    )
    gap = next((gap for gap in gaps if gap), "a reading is missing")
    return RequestError(
        f"{series.entity}: {gap}; the reading before a gap fills at most the first "
        f"{forecast.max_gap} steps of it"
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
