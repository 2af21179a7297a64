"""Readings become a regular series: order, grid and gaps, as `serving.runtime.history` states."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.runtime.errors import HistoryError
from serving.runtime.history import regularise
from serving.runtime.spec import ForecastSpec

START = np.datetime64("2016-07-01T00:00:00", "s")
NAN = np.nan


def series_of(hours, values, *, max_gap=3, step="1h"):
    """The series of one column, read at so many hours after the start."""
    return regularise(
        START + 3600 * np.array(hours, int),
        np.array(values, float).reshape(len(hours), np.size(values) // max(len(hours), 1)),
        forecast=ForecastSpec(horizon=1, lookback=1, max_gap=max_gap, step=step),
        entity="7",
    )


def test_regular_readings_stay_as_they_are():
    series = series_of([0, 1, 2], [5.0, 6.0, 7.0])
    assert series.entity == "7"
    np.testing.assert_array_equal(series.timestamps, START + 3600 * np.arange(3))
    np.testing.assert_array_equal(series.values, [[5.0], [6.0], [7.0]])


def test_a_gap_of_max_gap_rows_takes_the_last_reading():
    series = series_of([0, 4], [5.0, 9.0])
    np.testing.assert_array_equal(series.timestamps, START + 3600 * np.arange(5))
    np.testing.assert_array_equal(series.values[:, 0], [5.0, 5.0, 5.0, 5.0, 9.0])


def test_the_rest_of_a_longer_gap_stays_empty():
    series = series_of([0, 6, 8], [5.0, 9.0, 8.0])
    np.testing.assert_array_equal(series.values[:, 0], [5, 5, 5, 5, NAN, NAN, 9, 9, 8])


def test_a_missing_value_is_a_missing_reading_of_its_own_column():
    series = series_of([0, 1, 3], [[1.0, 4.0], [NAN, 5.0], [3.0, 6.0]], max_gap=1)
    np.testing.assert_array_equal(series.values[:, 0], [1, 1, NAN, 3])
    np.testing.assert_array_equal(series.values[:, 1], [4, 5, 5, 6])


def test_a_gap_at_the_start_is_never_filled_from_the_future():
    series = series_of([0, 1, 2], [NAN, NAN, 7.0])
    np.testing.assert_array_equal(series.values[:, 0], [NAN, NAN, 7])


def test_a_gap_open_at_the_end_is_filled_as_any_other():
    series = series_of([0, 1, 2], [[5.0, 5.0], [6.0, NAN], [NAN, NAN]], max_gap=1)
    np.testing.assert_array_equal(series.values[:, 0], [5, 6, 6])
    np.testing.assert_array_equal(series.values[:, 1], [5, 5, NAN])


def test_max_gap_of_zero_fills_nothing():
    series = series_of([0, 2], [5.0, 9.0], max_gap=0)
    np.testing.assert_array_equal(series.values[:, 0], [5, NAN, 9])


def test_the_step_sets_the_grid():
    series = series_of([0, 24, 72], [1.0, 2.0, 3.0], step="1d", max_gap=0)
    np.testing.assert_array_equal(series.values[:, 0], [1, 2, NAN, 3])


def test_the_grid_starts_at_the_first_reading():
    late = START + np.array([1800, 5400])
    forecast = ForecastSpec(horizon=1, lookback=1)
    series = regularise(late, np.ones((2, 1)), forecast=forecast, entity="7")
    np.testing.assert_array_equal(series.timestamps, late)


READINGS = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=60)


@given(READINGS, st.integers(0, 5))
@settings(deadline=None)
def test_gaps_are_filled_as_read_off_one_by_one(readings, max_gap):
    values = [NAN if value is None else value for value in readings]
    expected = list(values)
    gaps = "".join("." if value is None else "x" for value in readings)
    for start in range(1, len(gaps)):
        length = len(gaps[start:]) - len(gaps[start:].lstrip("."))
        if gaps[start - 1] == "x":
            filled = min(length, max_gap)
            expected[start : start + filled] = [values[start - 1]] * filled
    series = series_of(range(len(values)), values, max_gap=max_gap)
    np.testing.assert_array_equal(series.values[:, 0], expected)


@given(READINGS, st.integers(0, 5), st.data())
@settings(deadline=None)
def test_a_row_is_the_same_without_its_future(readings, max_gap, data):
    values = [NAN if value is None else value for value in readings]
    end = data.draw(st.integers(1, len(values)))
    whole = series_of(range(len(values)), values, max_gap=max_gap).values[end - 1, 0]
    past = series_of(range(end), values[:end], max_gap=max_gap).values[end - 1, 0]
    np.testing.assert_array_equal(whole, past)


def test_missing_rows_and_missing_values_are_filled_alike():
    as_rows = series_of([0, 3, 4, 9], [1.0, 2.0, 3.0, 4.0])
    as_values = series_of(range(10), [1.0, NAN, NAN, 2.0, 3.0, NAN, NAN, NAN, NAN, 4.0])
    np.testing.assert_array_equal(as_rows.values, as_values.values)


def test_the_callers_readings_are_not_changed():
    values = np.array([[5.0], [NAN], [7.0]])
    series_of([0, 1, 2], values)
    np.testing.assert_array_equal(values, [[5.0], [NAN], [7.0]])


def test_unordered_readings_are_an_error_that_names_the_row():
    with pytest.raises(HistoryError, match=r"entity '7', row 2 .*2016-07-01T01:00:00.*earlier"):
        series_of([0, 2, 1], [1.0, 2.0, 3.0])


def test_a_duplicate_is_an_error_that_names_the_row():
    with pytest.raises(HistoryError, match=r"entity '7', row 2 .*2016-07-01T01:00:00.*same"):
        series_of([0, 1, 1, 2], [1.0, 2.0, 2.0, 3.0])


def test_a_reading_off_the_grid_is_an_error_that_names_the_row():
    with pytest.raises(HistoryError, match=r"row 2 .*2016-07-02T01:00:00.*steps of 1d"):
        series_of([0, 24, 25], [1.0, 2.0, 3.0], step="1d")


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
def test_a_value_that_features_cannot_hold_is_an_error_that_names_the_row(value):
    with pytest.raises(HistoryError, match=r"row 1 .*2016-07-01T01:00:00.*beyond"):
        series_of([0, 1], [[1.0, NAN], [NAN, value]])


def test_no_readings_are_an_error_that_names_the_entity():
    with pytest.raises(HistoryError, match="entity '7' has 0 timestamps"):
        series_of([], [])


def test_readings_centuries_apart_are_an_error_and_not_a_full_memory():
    with pytest.raises(HistoryError, match=r"2 readings in 4000001 steps"):
        series_of([0, 4_000_000], [1.0, 2.0])


def test_the_tail_is_the_last_rows():
    series = series_of([0, 1, 2], [5.0, 6.0, 7.0])
    np.testing.assert_array_equal(series.tail(2).values, [[6.0], [7.0]])
    np.testing.assert_array_equal(series.tail(2).timestamps, START + 3600 * np.arange(1, 3))
    assert len(series.tail(9).timestamps) == 3
