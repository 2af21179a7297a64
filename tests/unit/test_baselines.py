import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_assets.core.errors import DataError
from ml_assets.core.evaluation.baselines import (
    class_names,
    class_prior,
    naive_forecasts,
    seasonal_offsets,
    training_mean,
    training_scale,
)
from ml_assets.core.features.training_set import Part
from serving.runtime.history import Series
from serving.runtime.spec import ForecastSpec
from tests.unit.evaluation_cases import part_of

START = np.datetime64("2024-01-01T00", "s")


def hourly(entity: str, hours: int, *, start: float = 0.0) -> Series:
    """A series whose target is the number of the hour, beside another column."""
    times = START + np.arange(hours) * np.timedelta64(3600, "s")
    target = start + np.arange(hours, dtype=float)
    return Series(entity, times, np.column_stack([np.full(hours, -1.0), target]))


def origins(entities: list[str], hours: list[int], horizon: int) -> Part:
    part = part_of(np.zeros((len(hours), horizon)), entities=entities)
    stamps = (START + np.array(hours) * np.timedelta64(3600, "s")).astype("datetime64[us]")
    return Part(part.entities, stamps, part.features, part.labels)


def forecast(step: str = "1h", horizon: int = 30) -> ForecastSpec:
    return ForecastSpec(step=step, horizon=horizon, lookback=1)


def test_persistence_repeats_the_value_at_the_origin() -> None:
    found = naive_forecasts(
        origins(["a"], [50], 3), [hourly("a", 60)], forecast=forecast(horizon=3)
    )
    assert found["persistence"].tolist() == [[50, 50, 50]]


def test_seasonal_naive_is_the_value_one_day_before_the_target_time() -> None:
    found = naive_forecasts(
        origins(["a"], [50], 24), [hourly("a", 60)], forecast=forecast(horizon=24)
    )
    assert found["seasonal_naive"].tolist() == [[50 + step - 24 for step in range(1, 25)]]


def test_seasonal_naive_goes_back_two_days_where_yesterday_lies_ahead() -> None:
    found = naive_forecasts(origins(["a"], [50], 30), [hourly("a", 90)], forecast=forecast())
    assert found["seasonal_naive"][0, 24] == 50 + 25 - 48


@given(st.sampled_from(["5min", "15min", "1h", "6h", "7h", "1d", "2d", "7d"]), st.integers(1, 400))
def test_seasonal_naive_never_looks_past_the_origin(step: str, horizon: int) -> None:
    spec = forecast(step, horizon)
    offsets = seasonal_offsets(spec)
    back = (np.arange(1, horizon + 1) - offsets) * spec.step_seconds
    assert (offsets <= 0).all()
    assert (back % 86_400 == 0).all()


def test_each_entity_is_forecast_from_its_own_series() -> None:
    part = origins(["b", "a", "b"], [30, 31, 32], 1)
    series = [hourly("a", 40), hourly("b", 40, start=1000)]
    found = naive_forecasts(part, series, forecast=forecast(horizon=1))
    assert found["persistence"].ravel().tolist() == [1030, 31, 1032]
    assert found["seasonal_naive"].ravel().tolist() == [1007, 8, 1009]


def test_before_the_first_day_is_over_seasonal_naive_is_undefined() -> None:
    found = naive_forecasts(
        origins(["a"], [10], 1), [hourly("a", 40)], forecast=forecast(horizon=1)
    )
    assert np.isnan(found["seasonal_naive"]).all()


def test_a_missing_reading_leaves_the_baseline_undefined() -> None:
    series = hourly("a", 40)
    series.values[30, -1] = np.nan
    found = naive_forecasts(origins(["a"], [30], 1), [series], forecast=forecast(horizon=1))
    assert np.isnan(found["persistence"]).all()


def test_an_origin_between_two_readings_is_refused() -> None:
    part = origins(["a"], [30], 1)
    late = Part(
        part.entities, part.timestamps + np.timedelta64(60, "s"), part.features, part.labels
    )
    with pytest.raises(DataError, match=r"2024-01-02T06:01:00.*is not on the grid of 1h"):
        naive_forecasts(late, [hourly("a", 40)], forecast=forecast(horizon=1))


def test_an_entity_without_readings_is_named() -> None:
    with pytest.raises(DataError, match="entity 'c' has rows but no readings"):
        naive_forecasts(origins(["c"], [30], 1), [hourly("a", 40)], forecast=forecast(horizon=1))


def test_the_scale_ends_with_the_last_training_label() -> None:
    train = origins(["a", "a"], [10, 20], 3)
    scale = training_scale(train, [hourly("a", 40)], forecast=forecast(horizon=3))
    assert scale.mean == np.arange(24).mean()
    assert scale.std == np.arange(24).std()


def test_the_scale_covers_all_entities() -> None:
    train = origins(["a", "b"], [3, 3], 1)
    series = [hourly("a", 40), hourly("b", 40, start=100)]
    scale = training_scale(train, series, forecast=forecast(horizon=1))
    assert scale.mean == pytest.approx((np.arange(5).mean() * 2 + 100) / 2)


def test_training_mean_is_repeated_for_every_row() -> None:
    assert training_mean(part_of(np.array([1.0, 3.0])), rows=3)["mean"].tolist() == [2, 2, 2]


def test_class_prior_is_the_share_of_each_class() -> None:
    train = part_of(np.array(["b", "a", "b", "b"]))
    found = class_prior(train, rows=2, classes=class_names(train))
    assert found["class_prior"].tolist() == [[0.25, 0.75]] * 2
