"""Every check of the dataset and of the features: an input that passes, and one that fails."""

from collections.abc import Callable
from datetime import datetime

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from ml_assets.components.checks import (
    DATASET_CHECKS,
    FEATURE_CHECKS,
    dataset_checks,
    feature_checks,
)
from ml_assets.core.dataset.report import describe
from ml_assets.core.features.table import feature_table
from ml_assets.core.spec import PipelineSpec

Change = Callable[[pd.DataFrame], pd.DataFrame]
HOURS = 80


def _spec(*, max_age_hours: float = 48) -> PipelineSpec:
    return PipelineSpec.model_validate(
        {
            "name": "oil",
            "task": "forecast",
            "source": {"uri": "oil.csv", "max_age_hours": max_age_hours},
            "columns": {
                "timestamp": "date",
                "entity": "transformer",
                "inputs": ["load"],
                "target": "OT",
                "ranges": {"OT": [0, 100]},
            },
            "forecast": {"horizon": 3, "lookback": 12, "max_gap": 2},
            "features": {"columns": {"OT": {"lags": [0, 1]}, "load": {"lags": [0]}}},
        }
    )


def _dataset() -> pd.DataFrame:
    """Hourly readings of one transformer without a fault."""
    times = pd.date_range("2024-01-01", periods=HOURS, freq="h", tz="UTC").as_unit("us")
    return pd.DataFrame(
        {
            "date": times,
            "transformer": pd.array(["1"] * HOURS, dtype=pd.StringDtype("pyarrow")),
            "load": np.sin(np.arange(HOURS)),
            "OT": 20 + np.cos(np.arange(HOURS)),
        }
    )


def _checked(
    dataset: pd.DataFrame, spec: PipelineSpec | None = None
) -> dict[str, dg.AssetCheckResult]:
    spec = spec or _spec()
    now = datetime.fromisoformat("2024-01-05T00:00+00:00")
    report = describe(dataset, columns=spec.columns, forecast=spec.forecast, now=now)
    return {str(one.check_name): one for one in dataset_checks(report, spec)}


def _with_text(dataset: pd.DataFrame) -> pd.DataFrame:
    return dataset.assign(load=dataset["load"].astype(str))


def _with_duplicate(dataset: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([dataset.head(7), dataset.iloc[6:]], ignore_index=True)


def _with_gap(dataset: pd.DataFrame) -> pd.DataFrame:
    return dataset.drop(index=[20, 21, 22]).reset_index(drop=True)


def _with_outlier(dataset: pd.DataFrame) -> pd.DataFrame:
    return dataset.assign(OT=dataset["OT"].where(dataset.index != 9, 130.0))


class TestDataset:
    """The checks of the dataset."""

    @pytest.mark.parametrize("name", DATASET_CHECKS)
    def test_faultless_dataset_passes(self, name: str) -> None:
        assert _checked(_dataset())[name].passed

    @pytest.mark.parametrize(
        ("name", "change", "says"),
        [
            ("columns_and_types", _with_text, "no column of numbers: load (of date: timestamp"),
            ("duplicates", _with_duplicate, "1 rows repeat an entity and timestamp"),
            ("gaps", _with_gap, "3 steps are missing; the longest gap is 3 steps, at 1 after "),
            ("ranges", _with_outlier, "OT: 1 values outside 0 to 100, the first is 130 at 1, 2024"),
        ],
    )
    def test_fault_is_found_by_its_check_and_no_other(
        self, name: str, change: Change, says: str
    ) -> None:
        found = _checked(change(_dataset()))
        assert [one for one, result in found.items() if not result.passed] == [name]
        assert says in str(found[name].description)

    def test_gap_that_is_filled_passes(self) -> None:
        assert _checked(_dataset().drop(index=[20, 21]).reset_index(drop=True))["gaps"].passed

    @pytest.mark.parametrize(("max_age", "passed"), [(16, False), (17, True), (0, True)])
    def test_newest_reading_may_be_as_old_as_the_yaml_says(
        self, max_age: float, passed: bool
    ) -> None:
        found = _checked(_dataset(), _spec(max_age_hours=max_age))["staleness"]
        assert found.passed is passed
        assert "the newest reading is 17 hours old" in str(found.description)

    def test_structure_blocks_and_content_warns(self) -> None:
        found = _checked(_dataset())
        blocking = {name for name in found if found[name].severity is dg.AssetCheckSeverity.ERROR}
        assert blocking == {"columns_and_types", "duplicates"}


class TestFeatures:
    """The checks of the feature table."""

    @staticmethod
    def _checked(table: pd.DataFrame) -> dict[str, dg.AssetCheckResult]:
        return {str(one.check_name): one for one in feature_checks(table, _dataset(), _spec())}

    @pytest.mark.parametrize("name", FEATURE_CHECKS)
    def test_table_of_the_runtime_passes(self, name: str) -> None:
        assert self._checked(feature_table(_dataset(), _spec()))[name].passed

    @pytest.mark.parametrize("value", [np.inf, np.nan])
    def test_feature_that_is_not_finite_is_named(self, value: float) -> None:
        table = feature_table(_dataset(), _spec())
        table.loc[5, "OT_lag_1"] = value
        found = self._checked(table)["finite"]
        assert not found.passed
        assert found.description == "not finite: OT_lag_1"

    def test_feature_that_knows_the_future_is_named(self) -> None:
        table = feature_table(_dataset(), _spec())
        table["OT_lag_1"] = table["OT_lag_0"].shift(-1).fillna(0)
        found = self._checked(table)["no_future_leak"]
        assert not found.passed
        assert str(found.description).endswith("cut off: OT_lag_1")
