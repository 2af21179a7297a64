"""Which mistake a wrong request is told."""

import pytest

from serving.runtime.errors import RequestError
from serving.runtime.model import Model
from serving.runtime.predict import predict_columns
from tests.unit.request_cases import (
    LOOKBACK,
    Data,
    forecasts,
    history,
    with_value,
    without,
)


def test_a_long_gap_of_missing_rows_is_named(forecaster: Model) -> None:
    data = without(history(40), 37, 38, 36)
    with pytest.raises(RequestError) as caught:
        predict_columns(forecaster, data)
    gap, filled = "2020-03-02T12:00:00Z to 2020-03-02T14:00:00Z", "at most the first 2 steps"
    for part in ("unit 2", "'load'", gap, filled):
        assert part in str(caught.value)


def test_a_gap_in_one_column_names_that_column(forecaster: Model) -> None:
    data = history()
    for row in (3, 4, 5):
        data = with_value(data, "OT", row, None)
    with pytest.raises(RequestError, match="column 'OT' has no reading from 2020-03-01T03"):
        predict_columns(forecaster, data)


def test_too_little_history_names_entity_and_lookback(forecaster: Model) -> None:
    long, short = history(unit="1"), history(29, unit="2")
    both = {name: long[name] + short[name] for name in long}
    message = "unit 2 has 29 hourly readings up to 2020-03-02T04:00:00Z; at least 30 are needed"
    with pytest.raises(RequestError, match=message):
        predict_columns(forecaster, both)


BASE = history()
WRONG: dict[str, tuple[Data, str]] = {
    "missing column": (
        {name: values for name, values in BASE.items() if name != "OT"},
        "column 'OT' is missing; needed are date, load, OT",
    ),
    "unknown column": (
        {**BASE, "extra": BASE["OT"]},
        "unknown column 'extra'; allowed are date, load, OT, unit",
    ),
    "no columns": ({}, "column 'date' is missing"),
    "no rows": ({name: [] for name in BASE}, "column 'date' is empty"),
    "ragged": ({**BASE, "OT": BASE["OT"][1:]}, "column 'OT' has 29 rows, but 'date' has 30"),
    "no list": ({**BASE, "OT": "text"}, "column 'OT' must be a list, got 'text'"),  # type: ignore[dict-item]
    "text": (with_value(BASE, "OT", 5, "21.5"), "column 'OT', row 5: .* got '21.5'"),
    "boolean": (with_value(BASE, "load", 3, True), "column 'load', row 3: .* got true"),
    "list": (with_value(BASE, "load", 3, [1.0]), "column 'load', row 3: .* got \\[1.0\\]"),
    "nan": (with_value(BASE, "OT", 0, float("nan")), "column 'OT', row 0: .* got nan"),
    "infinity": (with_value(BASE, "OT", 9, float("-inf")), "column 'OT', row 9: .* got -inf"),
    "beyond float32": (with_value(BASE, "OT", 9, 1e39), "column 'OT', row 9: .* got 1e\\+39"),
    "beyond float64": (with_value(BASE, "OT", 9, 10**400), "column 'OT', row 9: .* got 10000"),
    "date": (with_value(BASE, "date", 8, "02/03/2020"), "column 'date', row 8 .*'02/03/2020'"),
    "no date": (with_value(BASE, "date", 8, None), "column 'date', row 8: .* got null"),
    "mixed offsets": (
        with_value(BASE, "date", 2, "2020-03-01T02:00:00Z"),
        "column 'date', row 2 .*offset",
    ),
    "off the grid": (
        with_value(BASE, "date", 4, "2020-03-01T04:30:00"),
        "column 'date', unit 2: row 4 .* whole number of steps of 1h after row 3",
    ),
    "duplicate": (
        with_value(BASE, "date", 4, BASE["date"][3]),
        "column 'date', unit 2: row 4 .* must be after row 3",
    ),
    "unordered": (
        with_value(BASE, "date", 4, "2020-02-01T00:00:00"),
        "column 'date', unit 2: row 4 .* must be after row 3",
    ),
    "no entity": (with_value(BASE, "unit", 6, None), "column 'unit', row 6: .* got null"),
    "empty entity": (with_value(BASE, "unit", 6, ""), "column 'unit', row 6: .* got ''"),
    "surrogate": (with_value(BASE, "unit", 6, "\ud800"), "column 'unit', row 6"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_request_is_told_its_column_and_row(forecaster: Model, case: str) -> None:
    data, message = WRONG[case]
    with pytest.raises(RequestError, match=message):
        predict_columns(forecaster, data)


def test_a_row_of_mixed_entities_is_named_by_its_place_in_the_request(forecaster: Model) -> None:
    first, second = history(unit="1"), history(unit="2")
    both = {name: first[name] + second[name] for name in first}
    both = with_value(both, "date", LOOKBACK + 4, both["date"][LOOKBACK + 3])
    with pytest.raises(RequestError, match=r"unit 2: row 34 .* after row 33"):
        predict_columns(forecaster, both)


def test_rows_of_several_series_without_the_entity_are_told_of_that_column(
    forecaster: Model,
) -> None:
    data = history(unit=None)
    twice = {name: values * 2 for name, values in data.items()}
    with pytest.raises(RequestError, match="without column 'unit': row 30"):
        predict_columns(forecaster, twice)


def test_a_disorder_before_the_lookback_is_found(forecaster: Model) -> None:
    data = with_value(history(200), "date", 4, "2020-02-01T00:00:00")
    with pytest.raises(RequestError, match="row 4"):
        predict_columns(forecaster, data)


def test_a_reading_of_another_century_takes_no_memory_and_changes_nothing(
    forecaster: Model,
) -> None:
    data = with_value(history(), "date", 0, "1700-01-01T00:00:00")
    assert forecasts(forecaster, data)[0].values == forecasts(forecaster, history())[0].values


def test_a_gap_that_begins_before_the_lookback_is_named(forecaster: Model) -> None:
    data = without(history(60), *range(20, 40))
    with pytest.raises(RequestError, match=r"no reading from .*T06:00:00Z to .*T15:00:00Z"):
        predict_columns(forecaster, data)


def test_readings_too_large_for_features_are_refused(forecaster: Model) -> None:
    data = with_value(history(), "OT", 29, 3e38)
    with pytest.raises(RequestError, match="1.0e\\+38"):
        predict_columns(forecaster, data)
