"""Features: the same online as in batch, blind to the future, and equal to pandas'."""

from datetime import UTC
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from serving.runtime import features as features_module
from serving.runtime.errors import HistoryError, SpecError
from serving.runtime.features import compute_features, latest_features
from serving.runtime.history import Series
from serving.runtime.spec import FeatureSpec

COLUMNS = ("a", "b", "c")
STATISTICS = ["mean", "std", "min", "max"]
START = np.datetime64("2016-03-26T20:00:00", "s")

WINDOWS = st.fixed_dictionaries(
    {
        "window": st.integers(2, 40),
        "statistics": st.lists(st.sampled_from(STATISTICS), min_size=1, unique=True),
    }
)
COLUMN_FEATURES = st.fixed_dictionaries(
    {
        "lags": st.lists(st.integers(0, 40), max_size=3, unique=True),
        "differences": st.lists(st.integers(1, 40), max_size=2, unique=True),
        "rolling": st.lists(WINDOWS, max_size=3, unique_by=lambda one: one["window"]),
    }
)
SPECS = st.builds(
    FeatureSpec,
    columns=st.dictionaries(st.sampled_from(COLUMNS), COLUMN_FEATURES, min_size=1),
    calendar=st.lists(st.sampled_from(["hour_of_day", "day_of_week", "day_of_year"]), unique=True),
    timezone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"]),
)
READINGS = npst.arrays(
    np.float64,
    st.tuples(st.integers(1, 90), st.just(len(COLUMNS))),
    elements=st.floats(-1e6, 1e6) | st.sampled_from([0.0, -0.0, np.nan, 1e-300, 1e30]),
)


def series_of(values, *, start=START, step=3600):
    values = np.asarray(values, float)
    values = values[:, None] if values.ndim == 1 else values
    return Series("7", start + step * np.arange(len(values)), values)


def features_of(values, spec):
    return compute_features(series_of(values), columns=COLUMNS, spec=spec)


def one_column(values, **features):
    spec = FeatureSpec(columns={"a": features})
    return compute_features(series_of(values), columns=["a"], spec=spec)


def every_statistic(*windows):
    return [{"window": window, "statistics": STATISTICS} for window in windows]


@given(READINGS, SPECS)
@settings(deadline=None)
def test_online_equals_batch_to_the_last_bit(values, spec):
    batch = features_of(values, spec)
    for row in range(len(values)):
        window = series_of(values[: row + 1]).tail(spec.reach + 1)
        online = latest_features(window, columns=COLUMNS, spec=spec)
        assert online.tobytes() == batch[row].tobytes()


def test_online_equals_batch_across_the_blocks_of_a_long_history():
    values = np.random.default_rng(1).normal(20, 5, (40_000, len(COLUMNS)))
    rolling = every_statistic(24, 168, 1000)
    features = {"a": {"lags": [0, 700], "rolling": rolling}, "c": {"rolling": rolling}}
    spec = FeatureSpec(columns=features, calendar=["hour_of_day"])
    batch = features_of(values, spec)
    whole = series_of(values)
    for row in [*range(spec.reach, 40_000, 811), *range(8185, 8200), 39_999]:
        rows = slice(row - spec.reach, row + 1)
        window = Series("7", whole.timestamps[rows], whole.values[rows])
        online = latest_features(window, columns=COLUMNS, spec=spec)
        assert online.tobytes() == batch[row].tobytes()


@given(READINGS, SPECS, st.data())
@settings(deadline=None)
def test_a_window_gives_the_rows_of_the_whole_history(values, spec, data):
    start = data.draw(st.integers(0, len(values)))
    window = series_of(values[start:], start=START + 3600 * start)
    rows = compute_features(window, columns=COLUMNS, spec=spec)[spec.reach :]
    assert rows.tobytes() == features_of(values, spec)[start + spec.reach :].tobytes()


@given(st.integers(0, 2**32 - 1), st.integers(1, 400), SPECS)
@example(0, 1, FeatureSpec(columns={"a": {"lags": [0]}, "b": {"lags": [0]}}))
@settings(max_examples=30, deadline=None)
def test_the_size_of_the_blocks_does_not_matter(seed, block, spec):
    values = np.random.default_rng(seed).normal(size=(400, len(COLUMNS)))
    whole = features_of(values, spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features_module, "_BLOCK", block)
        assert features_of(values, spec).tobytes() == whole.tobytes()


@given(READINGS, READINGS, SPECS, st.data())
@settings(deadline=None)
def test_the_future_never_reaches_the_past(values, other, spec, data):
    now = data.draw(st.integers(0, len(values)))
    changed = np.concatenate([values[:now], other])
    assert features_of(changed, spec)[:now].tobytes() == features_of(values, spec)[:now].tobytes()


@given(READINGS, st.integers(2, 40), st.sampled_from(STATISTICS))
@settings(deadline=None)
def test_a_feature_is_the_same_whatever_else_is_computed(values, window, name):
    alone = FeatureSpec(columns={"b": {"rolling": [{"window": window, "statistics": [name]}]}})
    rolling = every_statistic(*sorted({7, 33, window}))
    together = FeatureSpec(columns={key: {"lags": [1], "rolling": rolling} for key in COLUMNS})
    among_others = features_of(values, together)[:, together.names.index(f"b_{name}_{window}")]
    assert features_of(values, alone)[:, 0].tobytes() == among_others.tobytes()


@pytest.mark.parametrize("window", [2, 3, 4, 7, 24, 100, 127, 128, 168])
def test_rolling_statistics_equal_those_of_pandas(window):
    values = np.random.default_rng(window).normal(20, 5, 600)
    rolling = pd.Series(values).rolling(window)
    expected = np.stack([rolling.agg(name) for name in STATISTICS], axis=1)
    ours = one_column(values, rolling=every_statistic(window))
    np.testing.assert_allclose(ours, expected, rtol=1e-6)


def test_lags_and_differences_equal_those_of_pandas():
    values = pd.Series(np.random.default_rng(3).normal(20, 5, 100))
    expected = [values, values.shift(5), values.diff(1), values.diff(24)]
    ours = one_column(values, lags=[0, 5], differences=[1, 24])
    np.testing.assert_allclose(ours, np.stack(expected, axis=1), rtol=1e-6)


def test_columns_come_in_the_order_of_the_names():
    spec = FeatureSpec(
        columns={
            "c": {"lags": [1, 0], "rolling": [{"window": 2, "statistics": ["max", "mean"]}]},
            "a": {"differences": [1]},
            "b": {"lags": [1, 0], "rolling": [{"window": 2, "statistics": ["max", "mean"]}]},
        }
    )
    last = features_of([[1, 10, 100], [3, 40, 500]], spec)[-1]
    assert dict(zip(spec.names, last.tolist(), strict=True)) == {
        "c_lag_1": 100, "c_lag_0": 500, "c_max_2": 500, "c_mean_2": 300, "a_diff_1": 2,
        "b_lag_1": 10, "b_lag_0": 40, "b_max_2": 40, "b_mean_2": 25,
    }  # fmt: skip


@pytest.mark.parametrize("window", [24, 168, 1000])
def test_the_deviation_survives_a_large_offset(window):
    values = 1e6 + np.random.default_rng(5).normal(size=5000)
    exact = np.lib.stride_tricks.sliding_window_view(values - 1e6, window).std(axis=1, ddof=1)
    ours = one_column(values, rolling=[{"window": window, "statistics": ["std"]}])[window - 1 :, 0]
    np.testing.assert_allclose(ours, exact, rtol=2e-7)


@given(st.floats(-(2.0**99), 2.0**99, width=32), st.integers(2, 40))
@settings(deadline=None)
def test_a_stuck_sensor_has_its_value_as_mean_and_no_deviation(value, window):
    last = one_column(np.full(window, value), rolling=every_statistic(window))[-1]
    assert last.tolist() == [value, 0, value, value]


def test_a_missing_value_empties_exactly_the_features_that_need_it():
    values = np.arange(20.0)
    values[10] = np.nan
    ours = one_column(values, lags=[0, 2], differences=[3], rolling=every_statistic(4))
    empty = [set(np.flatnonzero(np.isnan(column)).tolist()) for column in ours.T]
    assert empty[:3] == [{10}, {0, 1, 12}, {0, 1, 2, 10, 13}]
    assert empty[3:] == [{0, 1, 2, 10, 11, 12, 13}] * 4


def test_zero_has_no_sign_because_minimum_and_maximum_do_not_order_its_two_forms():
    ours = one_column([-0.0, -0.0], lags=[0], rolling=every_statistic(2))
    assert not np.signbit(ours[-1]).any()


def test_a_series_shorter_than_the_window_has_no_features():
    assert np.isnan(one_column([1.0, 2.0], lags=[2], rolling=every_statistic(3))).all()


def test_a_series_without_rows_has_no_rows_of_features():
    spec = FeatureSpec(columns={"a": {"lags": [0]}}, calendar=["hour_of_day"])
    features = features_of(np.empty((0, 3)), spec)
    assert (features.shape, features.dtype) == ((0, 3), np.float32)


@given(
    st.integers(86_400, 4_102_444_800),
    st.sampled_from([900, 3600, 86_400]),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York"]),
)
@settings(deadline=None)
def test_calendar_features_are_of_the_local_clock(start, step, zone):
    fields = ["hour_of_day", "day_of_week", "day_of_year"]
    series = series_of(np.zeros(50), start=np.datetime64(start, "s"), step=step)
    local = [
        moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
        for moment in series.timestamps.tolist()
    ]
    turns = np.array(
        [
            (
                (moment.hour * 3600 + moment.minute * 60 + moment.second) / 86_400,
                moment.weekday() / 7,
                (moment.timetuple().tm_yday - 1) / 365.25,
            )
            for moment in local
        ]
    )
    waves = np.stack([np.sin(2 * np.pi * turns), np.cos(2 * np.pi * turns)], axis=2)
    spec = FeatureSpec(calendar=fields, timezone=zone)
    ours = compute_features(series, columns=["a"], spec=spec)
    np.testing.assert_allclose(ours, waves.reshape(50, 6), atol=1e-6)


def test_the_hour_of_the_day_jumps_when_the_clocks_change():
    spec = FeatureSpec(calendar=["hour_of_day"], timezone="Europe/Berlin")
    series = series_of(np.zeros(3), start=np.datetime64("2016-03-27T00:00:00", "s"))
    sines = compute_features(series, columns=["a"], spec=spec)[:, 0]
    np.testing.assert_allclose(sines, np.sin(2 * np.pi * np.array([1, 3, 4]) / 24), rtol=1e-6)


def test_an_unknown_column_is_an_error_that_names_it():
    spec = FeatureSpec(columns={"d": {"lags": [0]}})
    with pytest.raises(SpecError, match="'d'; the columns are a, b, c"):
        features_of([[1, 2, 3]], spec)


def test_other_columns_than_those_named_are_an_error():
    with pytest.raises(HistoryError, match="entity '7' has 2 columns"):
        features_of([[1, 2]], FeatureSpec())


def test_the_latest_features_of_nothing_are_an_error():
    with pytest.raises(HistoryError, match="entity '7' has no readings"):
        latest_features(series_of(np.empty((0, 3))), columns=COLUMNS, spec=FeatureSpec())
