"""Labels and spans of the training set: in time order, without overlap, of real readings only."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_assets.core.errors import DataError
from ml_assets.core.features.training_set import (
    PARTS,
    complete_rows,
    forecast_labels,
    label_names,
    load_training_set,
    tabular_labels,
)
from ml_assets.core.names import KEYS
from ml_assets.core.spec import PipelineSpec
from serving.runtime.history import Series
from tests.unit import evaluation_cases as cases

HOUR = pd.Timedelta(hours=1)
SHARES = st.floats(0.05, 0.3)


def _spec(horizon: int = 3, **split: float) -> PipelineSpec:
    forecast = {"horizon": horizon, "lookback": 24}
    return cases.forecast_spec(forecast=forecast, **({"split": split} if split else {}))


def _series(values: Sequence[float], *, entity: str = "a", start: int = 0) -> Series:
    """Hourly values of the target, beside a load of 0."""
    hours = (start + np.arange(len(values))) * np.timedelta64(3600, "s")
    readings = np.column_stack([np.zeros(len(values)), values])
    return Series(entity, np.datetime64("2024-01-01T00", "s") + hours, readings)


def _label_times(table: pd.DataFrame, part: str, horizon: int) -> tuple[pd.Timestamp, pd.Timestamp]:
    """The first and the last time that a label of a span is of."""
    origins = table.loc[table["split"] == part, "event_timestamp"]
    return origins.min() + HOUR, origins.max() + horizon * HOUR


class TestForecastLabels:
    """The labels of a forecast."""

    def test_label_h_is_the_target_h_steps_after_the_origin(self) -> None:
        series = _series([float(hour) for hour in range(60)])
        table = forecast_labels([series], _spec())
        origin = (table["event_timestamp"] - table["event_timestamp"].iloc[0]) / HOUR
        for step in (1, 2, 3):
            assert table[f"label_{step}"].tolist() == (origin + step).tolist()

    def test_columns_are_keys_labels_and_split(self) -> None:
        spec = _spec()
        table = forecast_labels([_series([0.0] * 60)], spec)
        assert list(table.columns) == [*KEYS, *label_names(spec), "split"]
        assert {str(table[name].dtype) for name in label_names(spec)} == {"float32"}
        assert str(table["event_timestamp"].dtype) == "datetime64[us, UTC]"

    def test_missing_reading_is_no_label_of_any_origin(self) -> None:
        values = [float(hour) for hour in range(60)]
        values[10] = np.nan
        table = forecast_labels([_series(values)], _spec())
        origins = pd.DatetimeIndex(table["event_timestamp"])
        missing = pd.Timestamp("2024-01-01T10", tz="UTC")
        assert not origins.isin([missing - step * HOUR for step in (1, 2, 3)]).any()
        assert missing in origins
        assert table[label_names(_spec())].notna().all(axis=None)

    def test_split_may_be_given_in_steps(self) -> None:
        spec = _spec(train=20, validation=10, test=30)
        table = forecast_labels([_series([0.0] * 60)], spec)
        assert table["split"].value_counts().to_dict() == {
            "train": 20 - 3,  # the first reading is no label, nor are two more of each span
            "validation": 10 - 2,
            "test": 30 - 2,
        }

    def test_split_longer_than_the_readings_is_an_error(self) -> None:
        spec = _spec(train=40, validation=10, test=11)
        with pytest.raises(DataError, match="asks for 61 steps, but the readings cover only 60"):
            forecast_labels([_series([0.0] * 60)], spec)

    @given(
        hours=st.lists(st.integers(20, 80), min_size=1, max_size=3),
        starts=st.lists(st.integers(0, 30), min_size=3, max_size=3),
        horizon=st.integers(1, 5),
        shares=st.tuples(SHARES, SHARES, SHARES),
    )
    def test_no_time_is_a_label_of_two_spans_and_spans_follow_in_time(
        self,
        hours: list[int],
        starts: list[int],
        horizon: int,
        shares: tuple[float, float, float],
    ) -> None:
        split = dict(zip(PARTS, shares, strict=True))
        lengths = enumerate(zip(hours, starts, strict=False))
        series = [_series([0.0] * n, entity=str(i), start=start) for i, (n, start) in lengths]
        table = forecast_labels(series, _spec(horizon, **split))
        present = [part for part in PARTS if (table["split"] == part).any()]
        spans = [_label_times(table, part, horizon) for part in present]
        for (_, end), (begin, _) in pairwise(spans):
            assert end < begin

    @given(hours=st.integers(20, 80), horizon=st.integers(1, 5))
    def test_only_origins_whose_labels_cross_a_border_are_left_out(
        self, hours: int, horizon: int
    ) -> None:
        table = forecast_labels([_series([0.0] * hours)], _spec(horizon))
        sizes = [int(share * hours + 1e-9) for share in (0.6, 0.2, 0.2)]
        counts = [max(0, size - horizon + 1 - (part == 0)) for part, size in enumerate(sizes)]
        assert [int((table["split"] == part).sum()) for part in PARTS] == counts


class TestTabularLabels:
    """The labels of a table."""

    @staticmethod
    def _split(*, seed: int = 1, rows: int = 100) -> pd.DataFrame:
        table = pd.DataFrame({"x": 0.0, "label": ["a", "b", "b", "c"] * (rows // 4)})
        spec = cases.table_spec("classification", ["x"], estimator={"seed": seed})
        return tabular_labels(table, spec)

    def test_split_depends_on_the_seed_and_on_nothing_else(self) -> None:
        first, again, other = self._split(), self._split(), self._split(seed=2)
        pd.testing.assert_frame_equal(first, again)
        assert not first["split"].equals(other["split"])

    def test_every_row_is_in_one_span_of_the_size_asked_for(self) -> None:
        table = self._split()
        assert table["entity"].tolist() == [str(row) for row in range(100)]
        assert table["split"].value_counts().to_dict() == {
            "train": 60,
            "validation": 20,
            "test": 20,
        }

    @pytest.mark.parametrize("part", PARTS)
    def test_classes_have_the_same_shares_in_every_span(self, part: str) -> None:
        table = self._split()
        shares = table.loc[table["split"] == part, "label"].value_counts(normalize=True)
        assert shares.to_dict() == {"a": 0.25, "b": 0.5, "c": 0.25}

    def test_label_of_a_row_is_its_own(self) -> None:
        table = pd.DataFrame({"x": 0.0, "label": np.arange(40.0)})
        labels = tabular_labels(table, cases.table_spec("regression", ["x"]))
        assert labels["label"].tolist() == table["label"].tolist()


class TestLoading:
    """From the Parquet columns to the parts."""

    def test_row_without_a_feature_is_left_out(self) -> None:
        spec = cases.table_spec("regression", ["x", "y"])
        joined = pd.DataFrame({"x": [1.0, np.nan, 3.0], "y": [1.0, 2.0, np.nan]})
        assert complete_rows(joined, spec).index.tolist() == [0]

    def test_part_holds_the_rows_of_its_span_in_order(self) -> None:
        series, spec = cases.readings(), cases.forecast_spec()
        data = cases.training_set([series], spec)
        for name in PARTS:
            part = data.part(name)
            assert part.features.shape == (len(part), len(spec.feature_names))
            assert part.labels.shape == (len(part), 6)
            assert (np.diff(part.timestamps) > np.timedelta64(0)).all()
            rows = np.searchsorted(series.timestamps, part.timestamps)
            latest = spec.feature_names.index("temperature_lag_0")
            np.testing.assert_array_equal(
                part.features[:, latest], series.values[rows, -1].astype(np.float32)
            )
            np.testing.assert_array_equal(
                part.labels[:, 5], series.values[rows + 6, -1].astype(np.float32)
            )

    def test_span_without_a_row_is_an_error_that_names_it(self) -> None:
        spec = cases.table_spec("regression", ["x"])
        table = pd.DataFrame({"x": 0.0, "label": np.arange(40.0)})
        rows = tabular_labels(table, spec).assign(x=np.float32(0))
        rows = rows[rows["split"] != "validation"]
        with pytest.raises(DataError, match="the validation span of 'table' holds no complete row"):
            load_training_set(rows, spec)
