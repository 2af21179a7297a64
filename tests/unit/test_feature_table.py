"""The feature table of a dataset, and the search for features that know the future."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from ml_assets.core.dataset.simulator import simulate
from ml_assets.core.errors import DataError
from ml_assets.core.features import table as module
from ml_assets.core.features.table import feature_table, future_leaks, series_of
from ml_assets.core.names import KEYS
from ml_assets.core.spec import PipelineSpec
from serving.runtime.features import compute_features
from serving.runtime.history import Series, regularise
from serving.runtime.spec import FeatureSpec
from tests.unit import evaluation_cases as cases

Features = NDArray[np.float32]


def _spec(*, max_gap: int = 2, entity: str | None = "transformer") -> PipelineSpec:
    rolling = [{"window": 24, "statistics": ["mean", "max"]}]
    return PipelineSpec.model_validate(
        {
            "name": "oil",
            "task": "forecast",
            "source": {"uri": "simulated://transformers"},
            "columns": {"timestamp": "date", "entity": entity, "inputs": ["HUFL"], "target": "OT"},
            "forecast": {"horizon": 3, "lookback": 48, "max_gap": max_gap},
            "features": {
                "columns": {
                    "OT": {"lags": [0, 5], "rolling": rolling},
                    "HUFL": {"differences": [3]},
                },
                "calendar": ["hour_of_day"],
            },
        }
    )


@pytest.fixture(scope="module")
def readings() -> pd.DataFrame:
    """Two transformers with gaps."""
    return simulate(entities=2, days=40, seed=3, missing=0.05)


class TestFeatureTable:
    """One row for each entity and event time."""

    @pytest.mark.parametrize("entity", ["1", "2"])
    def test_rows_of_an_entity_are_its_features_computed_directly(
        self, readings: pd.DataFrame, entity: str
    ) -> None:
        spec = _spec()
        assert spec.forecast is not None
        own = readings[readings["transformer"] == entity]
        series = regularise(
            own["date"].dt.tz_localize(None).to_numpy("datetime64[s]"),
            own[["HUFL", "OT"]].to_numpy(),
            forecast=spec.forecast,
            entity=entity,
        )
        direct = compute_features(series, columns=["HUFL", "OT"], spec=spec.features)
        complete = np.isfinite(direct).all(axis=1)
        table = feature_table(readings, spec)
        rows = table[table["entity"] == entity]
        np.testing.assert_array_equal(rows[list(spec.feature_names)].to_numpy(), direct[complete])
        times = pd.DatetimeIndex(series.timestamps[complete], tz="UTC")
        assert rows["event_timestamp"].tolist() == times.tolist()

    def test_columns_are_keys_and_features_without_a_missing_value(
        self, readings: pd.DataFrame
    ) -> None:
        spec = _spec()
        table = feature_table(readings, spec)
        assert list(table.columns) == [*KEYS, *spec.feature_names]
        assert {str(table[name].dtype) for name in spec.feature_names} == {"float32"}
        assert table.notna().all(axis=None)

    def test_table_without_time_keeps_its_inputs_row_by_row(self) -> None:
        table = pd.DataFrame({"x": [1.5, 2.5], "y": [3.0, 4.0], "label": [0.0, 1.0]})
        found = feature_table(table, cases.table_spec("regression", ["y", "x"]))
        assert found["entity"].tolist() == ["0", "1"]
        assert found[["y", "x"]].to_numpy().tolist() == [[3.0, 1.5], [4.0, 2.5]]


class TestSeries:
    """Regular series out of a dataset."""

    @pytest.fixture
    def gap(self) -> pd.DataFrame:
        """Five readings, of which three hours in the middle have none."""
        hours = pd.DatetimeIndex(
            [f"2024-01-01T0{hour}:00Z" for hour in (0, 1, 5, 6)], dtype="datetime64[us, UTC]"
        )
        return pd.DataFrame({"date": hours, "HUFL": 0.0, "OT": [1.0, 2.0, 3.0, 4.0]})

    def test_beginning_of_a_gap_is_filled_for_features(self, gap: pd.DataFrame) -> None:
        (series,) = series_of(gap, _spec(entity=None))
        np.testing.assert_array_equal(series.values[:, -1], [1, 2, 2, 2, np.nan, 3, 4])

    def test_gap_stays_empty_for_labels(self, gap: pd.DataFrame) -> None:
        (series,) = series_of(gap, _spec(entity=None), fill_gaps=False)
        np.testing.assert_array_equal(series.values[:, -1], [1, 2, *[np.nan] * 3, 3, 4])

    def test_entities_come_in_order_of_name(self, readings: pd.DataFrame) -> None:
        assert [one.entity for one in series_of(readings, _spec())] == ["1", "2"]

    def test_table_that_is_no_forecast_has_none(self) -> None:
        with pytest.raises(DataError, match="'table' is no forecast"):
            series_of(pd.DataFrame({"x": [1.0]}), cases.table_spec("regression", ["x"]))


def _looking_ahead(series: Series, *, columns: Sequence[str], spec: FeatureSpec) -> Features:
    """Features of which one is that of the next step."""
    features = compute_features(series, columns=columns, spec=spec)
    seen = spec.names.index("OT_lag_5")
    features[:-1, seen] = features[1:, seen]
    return features


class TestFutureLeaks:
    """Recomputing what was known at the time of a row."""

    def test_features_of_the_runtime_do_not_see_the_future(self, readings: pd.DataFrame) -> None:
        spec = _spec()
        assert future_leaks(readings, feature_table(readings, spec), spec) == []

    def test_feature_that_looks_ahead_is_named_with_its_entity(
        self, readings: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spec = _spec()
        monkeypatch.setattr(module, "compute_features", _looking_ahead)
        leaks = future_leaks(readings, feature_table(readings, spec), spec)
        assert leaks == [("1", "OT_lag_5"), ("2", "OT_lag_5")]
