"""Older versions of a model on today's rows, by the features that they were made with."""

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.errors import DataError
from ml_assets.core.evaluation.comparison import compare, predictions_of
from ml_assets.core.features.training_set import TrainingSet
from ml_assets.core.spec import PipelineSpec
from ml_assets.core.training.fitting import fit
from serving.runtime.features import compute_features
from serving.runtime.history import Series
from serving.runtime.model import Model
from tests.unit import evaluation_cases as cases

OLD_FEATURES = {
    "columns": {"temperature": {"lags": [0, 2, 20]}, "load": {"differences": [1]}},
    "calendar": [],
}
SERIES = [cases.readings("a", seed=1), cases.readings("b", seed=2)]


def _model(spec: PipelineSpec, series: list[Series] = SERIES) -> Model:
    return fit(cases.training_set(series, spec), spec).model


@pytest.fixture(scope="module")
def spec() -> PipelineSpec:
    """Today's YAML file."""
    return cases.forecast_spec()


@pytest.fixture(scope="module")
def data(spec: PipelineSpec) -> TrainingSet:
    """Today's rows."""
    return cases.training_set(SERIES, spec)


@pytest.fixture(scope="module")
def today(spec: PipelineSpec) -> Model:
    """A model with today's features."""
    return _model(spec)


@pytest.fixture(scope="module")
def older() -> Model:
    """A model with other features, of the same columns."""
    return _model(cases.forecast_spec(features=OLD_FEATURES))


class TestPredictionsOf:
    """What a version predicts for rows that today's YAML file made."""

    def test_version_with_the_same_features_predicts_the_rows_as_they_are(
        self, spec: PipelineSpec, data: TrainingSet, today: Model
    ) -> None:
        test = data.part("test")
        found = predictions_of(today, test, spec, series=SERIES)
        np.testing.assert_array_equal(found, today.predict(test.features))

    def test_version_with_other_features_gets_them_computed_from_the_readings(
        self, spec: PipelineSpec, data: TrainingSet, older: Model
    ) -> None:
        test = data.part("test")
        found = predictions_of(older, test, spec, series=SERIES)
        for series in SERIES:
            rows = np.flatnonzero(test.entities == series.entity)
            own = compute_features(
                series, columns=older.manifest.columns.numeric, spec=older.manifest.features
            )
            own = own[np.searchsorted(series.timestamps, test.timestamps[rows])]
            np.testing.assert_array_equal(found[rows], older.predict(own))

    def test_same_names_of_other_features_do_not_pass_for_the_same(
        self, spec: PipelineSpec, data: TrainingSet
    ) -> None:
        elsewhere = spec.features.model_copy(update={"timezone": "Asia/Tokyo"})
        model = _model(spec.model_copy(update={"features": elsewhere}))
        test = data.part("test")
        found = predictions_of(model, test, spec, series=SERIES)
        assert not np.array_equal(found, model.predict(test.features))

    def test_row_without_an_older_versions_feature_has_no_prediction(
        self, spec: PipelineSpec, data: TrainingSet, older: Model
    ) -> None:
        test = data.part("test")
        broken = SERIES[0].values.copy()
        row = np.searchsorted(SERIES[0].timestamps, test.timestamps[0])
        broken[row - 20, -1] = np.nan
        series = [Series("a", SERIES[0].timestamps, broken), SERIES[1]]
        found = predictions_of(older, test, spec, series=series)
        without = np.flatnonzero(np.isnan(found).all(axis=1))
        assert without.tolist() == [0]
        assert np.isfinite(found[1:]).all()

    def test_columns_may_stand_in_another_order_today(self, older: Model) -> None:
        ice = [
            Series(one.entity, one.timestamps, np.insert(one.values, 0, 7.0, axis=1))
            for one in SERIES
        ]
        spec = cases.forecast_spec(
            columns={
                "target": "temperature",
                "inputs": ["ice", "load"],
                "timestamp": "date",
                "entity": "oven",
            },
        )
        test = cases.training_set(ice, spec).part("test")
        same = cases.forecast_spec()
        expected = predictions_of(
            older, cases.training_set(SERIES, same).part("test"), same, series=SERIES
        )
        np.testing.assert_array_equal(predictions_of(older, test, spec, series=ice), expected)

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"forecast": {"horizon": 5, "lookback": 24}}, "horizon 6, .* asks for horizon 5"),
            (
                {"forecast": {"horizon": 6, "lookback": 24, "step": "2h"}},
                "step 3600 s, .* 7200 s",
            ),
        ],
    )
    def test_version_made_for_something_else_is_refused(
        self, data: TrainingSet, today: Model, changes: dict[str, object], says: str
    ) -> None:
        with pytest.raises(DataError, match=says):
            predictions_of(today, data.part("test"), cases.forecast_spec(**changes), series=SERIES)

    def test_version_whose_column_is_gone_is_refused_with_its_name(
        self, spec: PipelineSpec, data: TrainingSet
    ) -> None:
        extra = [
            Series(one.entity, one.timestamps, np.insert(one.values, 1, 7.0, axis=1))
            for one in SERIES
        ]
        with_ice = _model(cases.forecast_spec("ice"), extra)
        with pytest.raises(DataError, match="needs column 'ice'; the data has none"):
            predictions_of(with_ice, data.part("test"), spec, series=SERIES)


class TestTable:
    """Versions of a model of a table."""

    @staticmethod
    def _table() -> pd.DataFrame:
        table = cases.diabetes()
        return table[["bmi", "bp", "s5", "label"]]

    def test_version_with_fewer_columns_takes_its_own(self) -> None:
        table = self._table()
        fewer = cases.table_spec("regression", ["s5", "bmi"])
        more = cases.table_spec("regression", ["bmi", "bp", "s5"])
        model = fit(cases.table_set(table, fewer), fewer).model
        test, own = (cases.table_set(table, one).part("test") for one in (more, fewer))
        np.testing.assert_array_equal(
            predictions_of(model, test, more), model.predict(own.features)
        )


class TestCompare:
    """Candidate, production and baselines on the same rows."""

    def test_production_and_candidate_are_measured_on_the_same_rows(
        self, spec: PipelineSpec, data: TrainingSet, today: Model, older: Model
    ) -> None:
        found = compare(data, spec, candidate=today, production=older, series=SERIES)
        assert set(found.predictions) == {
            "candidate",
            "production",
            "persistence",
            "seasonal_naive",
        }
        assert found.evaluation.production is not None
        assert found.evaluation.rows.compared == len(data.part("test"))

    def test_same_model_as_production_measures_the_same(
        self, spec: PipelineSpec, data: TrainingSet, today: Model
    ) -> None:
        measured = compare(data, spec, candidate=today, production=today, series=SERIES).evaluation
        assert measured.production is not None
        common = {name: measured.metrics[name] for name in measured.production}
        assert measured.production == common

    def test_production_that_no_longer_fits_is_left_out_with_the_reason(
        self, spec: PipelineSpec, data: TrainingSet, today: Model
    ) -> None:
        shorter = _model(cases.forecast_spec(forecast={"horizon": 5, "lookback": 24}))
        found = compare(data, spec, candidate=today, production=shorter, series=SERIES)
        assert found.evaluation.production is None
        assert "production" not in found.predictions
        assert "made for horizon 5" in found.evaluation.production_left_out
