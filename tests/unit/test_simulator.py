from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.dataset.simulator import OUTLIER, SPREAD, parse_simulation, simulate
from ml_assets.core.dataset.snapshot import content_hash
from ml_assets.core.dataset.transformer import READINGS
from ml_assets.core.errors import SourceError

LAGS = (1, 24, 168)


@pytest.fixture(scope="module")
def clean() -> pd.DataFrame:
    """One transformer over two years, without faults."""
    return simulate(entities=1, days=726, missing=0, outliers=0)


def autocorrelation(values: pd.Series, lag: int) -> float:
    return float(np.corrcoef(values[lag:], values[:-lag])[0, 1])


def daily_profile(frame: pd.DataFrame, column: str) -> pd.Series:
    return frame.groupby(frame["date"].dt.hour)[column].mean()


def test_the_columns_are_those_of_the_ett_data_sets_with_the_transformer(clean: pd.DataFrame):
    assert list(clean.columns) == ["date", "transformer", *READINGS]
    assert str(clean["date"].dtype) == "datetime64[us, UTC]"
    assert set(clean["transformer"]) == {"1"}


def test_the_same_seed_gives_the_same_readings():
    pd.testing.assert_frame_equal(simulate(days=30, seed=3), simulate(days=30, seed=3))


def test_the_readings_are_what_they_always_were():
    # Another value here means another built-in data set, and so other figures in the documents.
    frame = simulate(entities=2, days=3, missing=0.1, outliers=0.05)
    assert content_hash(frame) == (
        "bf6fe0aaa87661289a54af365d494d77abb5d4de9fa84db6b5eb192bf8b527b1"
    )


def test_another_seed_gives_other_readings():
    assert not simulate(days=30, seed=3)["OT"].equals(simulate(days=30, seed=4)["OT"])


def test_a_transformer_does_not_depend_on_how_many_there_are():
    few, many = simulate(entities=2, days=30), simulate(entities=12, days=30)
    second = many[many["transformer"] == "2"].reset_index(drop=True)
    pd.testing.assert_frame_equal(few[few["transformer"] == "2"].reset_index(drop=True), second)


def test_transformers_differ_from_each_other():
    frame = simulate(entities=2, days=30, missing=0)
    first, second = (frame[frame["transformer"] == name]["HUFL"].to_numpy() for name in "12")
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.95


def test_more_days_only_append_rows():
    short, long = simulate(entities=1, days=30), simulate(entities=1, days=60)
    pd.testing.assert_frame_equal(short, long.head(len(short)))


def test_hours_are_absent_at_the_stated_rate_and_in_outages():
    frame = simulate(entities=20, days=365, missing=0.02)
    hours = frame["date"].astype("int64") // 3_600_000_000
    steps = hours.groupby(frame["transformer"]).diff().dropna() - 1
    assert steps.sum() / (20 * 365 * 24) == pytest.approx(0.02, rel=0.15)
    assert steps[steps > 0].mean() == pytest.approx(4, rel=0.2)


def test_absent_hours_leave_the_others_as_they_are(clean: pd.DataFrame):
    gaps = simulate(entities=1, days=726, missing=0.1, outliers=0)
    kept = clean[clean["date"].isin(gaps["date"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(gaps, kept)


def test_outliers_come_at_the_stated_rate_and_distance(clean: pd.DataFrame):
    spoilt = simulate(entities=1, days=726, missing=0, outliers=0.01)
    distance = np.abs(spoilt[list(READINGS)] - clean[list(READINGS)]).to_numpy() / SPREAD
    hit = distance > 1e-9
    assert hit.mean() == pytest.approx(0.01, rel=0.1)
    assert distance[hit].min() >= OUTLIER[0] - 0.01
    assert distance[hit].max() <= OUTLIER[1] + 0.01


def test_load_and_oil_follow_the_day_and_the_week(clean: pd.DataFrame):
    # The oil is slow, the load is not; both know what time of the day it is.
    for column, lowest in {"HUFL": (0.85, 0.7, 0.6), "OT": (0.98, 0.85, 0.75)}.items():
        found = [autocorrelation(clean[column], lag) for lag in LAGS]
        assert all(value > low for value, low in zip(found, lowest, strict=True)), (column, found)


def test_solar_power_lowers_the_net_load_at_noon(clean: pd.DataFrame):
    profile = daily_profile(clean, "HUFL")
    assert profile.loc[11:14].max() < profile.loc[[0, 1, 2, 21, 22, 23]].min() - 5


def test_weekends_take_less_load_than_workdays(clean: pd.DataFrame):
    is_weekend = clean["date"].dt.dayofweek >= 5
    low = clean["LUFL"].groupby(is_weekend).mean()
    assert 0.8 < low[True] / low[False] < 0.95


def test_oil_is_warm_in_summer_and_cold_in_winter(clean: pd.DataFrame):
    by_month = clean["OT"].groupby(clean["date"].dt.month).mean()
    assert by_month[7] - by_month[1] == pytest.approx(20, abs=6)


def test_oil_answers_a_change_of_load_with_a_delay(clean: pd.DataFrame):
    # Air temperature is the same for all, so what differs between two transformers is the load.
    frame = simulate(entities=2, days=200, missing=0, outliers=0)
    one, two = (frame[frame["transformer"] == name].reset_index(drop=True) for name in "12")
    losses, oil = one["HUFL"] ** 2 - two["HUFL"] ** 2, one["OT"] - two["OT"]
    by_delay = [oil.corr(losses.shift(delay)) for delay in range(6)]
    assert 1 <= int(np.argmax(by_delay)) <= 4


def test_autocorrelation_is_near_that_of_a_real_transformer(clean: pd.DataFrame, etth1: Path):
    real = pd.read_csv(etth1)
    for column in ("HUFL", "MUFL", "LUFL", "OT"):
        for lag in LAGS:
            difference = autocorrelation(clean[column], lag) - autocorrelation(real[column], lag)
            assert abs(difference) < 0.2, (column, lag)


def test_daily_profile_is_like_that_of_a_real_transformer(clean: pd.DataFrame, etth1: Path):
    real = pd.read_csv(etth1, parse_dates=["date"])
    for column in ("HUFL", "OT"):
        ours, theirs = daily_profile(clean, column), daily_profile(real, column)
        assert ours.corr(theirs) > 0.7, column
        assert 0.5 < np.ptp(ours) / np.ptp(theirs) < 2, column


def test_a_simulation_starts_on_its_first_day():
    frame = simulate(entities=1, days=2, start=date(2020, 2, 28), missing=0)
    assert frame["date"].iloc[[0, -1]].dt.strftime("%Y-%m-%d %H").tolist() == [
        "2020-02-28 00",
        "2020-02-29 23",
    ]


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"entites": "3"}, "unknown parameter 'entites'; the parameters are entities, days"),
        ({"entities": "0"}, "entities: Input should be greater than or equal to 1"),
        ({"days": "many"}, "days: Input should be a valid integer"),
        ({"missing": "0.9"}, "missing: Input should be less than or equal to 0.5"),
        ({"start": "1 July"}, "start: Input should be a valid date"),
        ({"entities": "10000", "days": "36000"}, "rows are more than 50,000,000"),
    ],
)
def test_a_wrong_parameter_is_named(parameters: dict[str, str], says: str):
    with pytest.raises(SourceError, match=says):
        parse_simulation(parameters)
