"""The stored feature table is compared with what could be known at the time of its rows."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from ml_assets.core.features.table import feature_table, future_leaks
from ml_assets.core.spec import PipelineSpec
from serving.runtime.features import latest_features
from serving.runtime.history import Series
from tests.unit.evaluation_cases import forecast_spec

SPEC = forecast_spec()
LOAD, MEAN = "load_lag_0", "load_mean_6"


def dataset(*entities: str, hours: int = 200, gaps: tuple[slice, ...] = ()) -> pd.DataFrame:
    """Noise by the hour; the rows of the gaps are missing."""
    random = np.random.default_rng(3)
    dates = pd.date_range("2024-01-01", periods=hours, freq="h", tz="UTC").as_unit("us")
    frames = [
        pd.DataFrame({"date": dates, "oven": name, "load": random.normal(size=hours)})
        .assign(temperature=random.normal(size=hours))
        .drop([row for gap in gaps for row in range(gap.start, gap.stop)])
        for name in entities
    ]
    return pd.concat(frames, ignore_index=True)


def fill_backwards(spec: PipelineSpec, readings: pd.DataFrame) -> pd.DataFrame:
    """The features of readings whose gaps take the reading after them."""
    hours = readings.set_index("date").resample("h").first()
    return feature_table(hours.bfill().reset_index(), spec)


def test_the_features_of_honest_readings_do_not_know_the_future() -> None:
    readings = dataset("a", "b", gaps=(slice(60, 63), slice(90, 99)))
    readings.loc[130:131, "load"] = np.nan
    assert future_leaks(readings, feature_table(readings, SPEC), SPEC, samples=1000) == []


def test_a_gap_that_is_filled_from_the_reading_after_it_is_found() -> None:
    readings = dataset("a", gaps=(slice(61, 63),))
    leaks = future_leaks(readings, fill_backwards(SPEC, readings), SPEC)
    assert ("a", LOAD) in leaks
    assert ("a", "temperature_lag_0") in leaks


def test_a_missing_value_that_is_filled_from_the_reading_after_it_is_found() -> None:
    readings = dataset("a")
    readings.loc[61, "load"] = np.nan
    leaks = future_leaks(readings, fill_backwards(SPEC, readings), SPEC)
    assert leaks == [("a", LOAD), ("a", MEAN)]


def test_a_feature_that_looks_ahead_is_named_with_each_entity() -> None:
    readings = dataset("a", "b")
    table = feature_table(readings, SPEC)
    table[LOAD] = table.groupby("entity")[LOAD].shift(-1).ffill()
    assert future_leaks(readings, table, SPEC) == [("a", LOAD), ("b", LOAD)]


def test_a_table_without_an_entity_column_is_looked_at() -> None:
    columns = SPEC.columns.model_copy(update={"entity": None})
    spec = SPEC.model_copy(update={"columns": columns})
    readings = dataset("a").drop(columns="oven")
    table = feature_table(readings, spec)
    assert future_leaks(readings, table, spec) == []
    table[MEAN] += 1
    assert future_leaks(readings, table, spec) == [("series", MEAN)]


def test_the_cost_is_bounded_however_long_the_history_is(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = dataset(*map(str, range(10, 40)), hours=300, gaps=(slice(60, 63),))
    table = feature_table(readings, SPEC)
    lengths: list[tuple[str, int]] = []

    def counted(series: Series, **given: Any) -> NDArray[np.float32]:
        lengths.append((series.entity, len(series.timestamps)))
        return latest_features(series, **given)

    monkeypatch.setattr("ml_assets.core.features.table.latest_features", counted)
    assert future_leaks(readings, table, SPEC) == []
    names = [name for name, _ in lengths]
    assert len(set(names)) == 10
    assert {names.count(name) for name in names} <= {18, 19, 20}
    assert max(length for _, length in lengths) <= 24 + 3
