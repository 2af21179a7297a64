"""The rules that the readings of a model must keep, as a pandera schema.

Types and missing values follow from the columns' roles. A forecast's timestamps must also rise
within their entity (and file), be there once, and lie on the grid that begins with the entity's
first reading.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pandera
from numpy.typing import NDArray

from ml_assets.core.dataset.frames import TEXT, TIME, entity_codes, utc_times
from ml_assets.core.dataset.sources import Readings
from ml_assets.core.errors import DataError
from serving.runtime.spec import ColumnSpec, ForecastSpec

SHOWN = 5
"""Most problems that one message lists."""

_WORDS = {
    "not_nullable": "it is empty; fill it in, or take the row out",
    "column_in_dataframe": "is missing",
}


def check_readings(readings: Readings, columns: ColumnSpec, forecast: ForecastSpec | None) -> None:
    """Checks the rules.

    Raises:
        DataError: Some are broken; the message lists the first places, with file and row.
    """
    frame = readings.frame
    faults = _time_faults(readings, columns, forecast) if columns.timestamp else {}
    try:
        with warnings.catch_warnings():
            # pandera puts its findings together in a way that a later pandas will change.
            warnings.simplefilter("ignore", FutureWarning)
            _schema(frame, columns, faults).validate(frame, lazy=True, inplace=True)
    except pandera.errors.SchemaErrors as error:
        raise DataError(_message(readings, error.failure_cases)) from None


def _schema(
    frame: pd.DataFrame, columns: ColumnSpec, faults: Mapping[str, NDArray[np.bool_]]
) -> pandera.DataFrameSchema:
    """The schema of a frame; ``faults`` marks the rows whose timestamps break a rule."""
    fields = {name: _number() for name in columns.numeric}
    if columns.timestamp:
        checks = [_row_check(wrong, sentence) for sentence, wrong in faults.items()]
        fields[columns.timestamp] = pandera.Column(TIME, checks=checks)
    if columns.entity:
        fields[columns.entity] = pandera.Column(TEXT)
    if frame[columns.target].dtype == TEXT:
        fields[columns.target] = pandera.Column(TEXT, checks=[_is_there()], nullable=True)
    return pandera.DataFrameSchema(fields)


def _number() -> pandera.Column:
    finite = pandera.Check(
        lambda numbers: ~np.isinf(numbers),
        error="is not a finite number; leave a missing reading empty",
        n_failure_cases=SHOWN,
    )
    return pandera.Column(float, checks=[finite, _is_there()], nullable=True)


def _is_there() -> pandera.Check:
    return pandera.Check(
        lambda values: bool(values.notna().any()),
        error="is empty in every row; take it out of columns or fill it in",
    )


def _row_check(wrong: NDArray[np.bool_], sentence: str) -> pandera.Check:
    return pandera.Check(
        lambda values: pd.Series(~wrong, index=values.index),
        error=sentence,
        n_failure_cases=SHOWN,
        ignore_na=False,  # or pandera hands over fewer rows than the mask has
    )


def _time_faults(
    readings: Readings, columns: ColumnSpec, forecast: ForecastSpec | None
) -> dict[str, NDArray[np.bool_]]:
    """Marks the rows (n,) whose timestamps break a rule, by what to say about them."""
    times = utc_times(readings.frame, columns.timestamp or "")
    codes, _ = entity_codes(readings.frame, columns.entity)
    sizes = [file.rows for file in readings.files]
    files = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((times, codes))
    faults = {
        "is there twice for its entity; keep one, or check columns.entity": _marked(
            order, _equal(codes, order) & _equal(times, order)
        ),
        "is earlier than the row before it of the same entity; sort the file by time": _falling(
            times, codes, files
        ),
    }
    if forecast:
        sentence = f"is no multiple of {forecast.step} after the first reading of its entity"
        faults[sentence] = _off_grid(times, codes, order, step=forecast.step_delta)
    return faults


def _equal(values: NDArray[np.generic], order: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which of the values (n,), in the given order, equal the one before: (n - 1,)."""
    ordered = values[order]
    return np.asarray(ordered[1:] == ordered[:-1])


def _marked(order: NDArray[np.intp], wrong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Marks of rows (n,) from marks (n - 1,) of all but the first in the given order."""
    marks = np.zeros(len(order), np.bool_)
    marks[order[1:]] = wrong
    return marks


def _falling(
    times: NDArray[np.datetime64], codes: NDArray[np.intp], files: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Marks rows that are earlier than the row before them of the same entity and file."""
    order = np.argsort(codes, kind="stable")
    ordered = times[order]
    earlier = ordered[1:] < ordered[:-1]
    return _marked(order, earlier & _equal(codes, order) & _equal(files, order))


def _off_grid(
    times: NDArray[np.datetime64],
    codes: NDArray[np.intp],
    order: NDArray[np.intp],
    *,
    step: np.timedelta64,
) -> NDArray[np.bool_]:
    """Marks rows that are not a whole number of steps after the first of their entity."""
    _, first = np.unique(codes[order], return_index=True)
    first_time = times[order[first]]
    distance = times - first_time[codes - codes.min(initial=0)]
    return np.asarray((distance % step != np.timedelta64(0)) & ~np.isnat(times))


def _message(readings: Readings, failures: pd.DataFrame) -> str:
    """The first problems, one a line: those of whole columns, or else in the order of the rows."""
    whole = failures["index"].isna()
    chosen = failures[whole] if whole.any() else failures.sort_values("index", kind="stable")
    fields = chosen[["index", "column", "failure_case", "check"]].head(SHOWN)
    return "\n".join(_line(readings, *values) for values in fields.itertuples(index=False))


def _line(readings: Readings, row: int | None, column: str | None, value: Any, rule: str) -> str:
    """One problem in words; without a row it is one of the whole column."""
    sentence = _WORDS.get(rule, rule)
    if row is None:
        uris = ", ".join(file.uri for file in readings.files[:SHOWN])
        return f"{uris}, column {column or value!r} {sentence}"
    place = f"{readings.place(row)}, column {column!r}:"
    if pd.isna(value):
        return f"{place} {sentence}"
    shown = f"{value:%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, pd.Timestamp) else value
    return f"{place} {shown} {sentence}"
