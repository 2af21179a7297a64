"""The feature store of a model: join, online read and versions, with Feast's real stores."""

import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from feast import FeatureStore

from ml_assets.core.dataset.simulator import simulate
from ml_assets.core.features.table import feature_table, series_of
from ml_assets.core.names import KEYS
from ml_assets.core.spec import PipelineSpec
from ml_assets.resources.feast import FeatureStoreResource, _repo_config
from serving.runtime.features import latest_features
from tests.integration.feast_cases import HOUR, START, forecast, hours, table_of, tabular, write


@pytest.fixture
def store(tmp_path: Path) -> FeatureStoreResource:
    """An empty feature store."""
    return FeatureStoreResource(home=str(tmp_path / "feast"))


@pytest.fixture(scope="module")
def readings() -> pd.DataFrame:
    """Three simulated transformers, with gaps, over a change to summer time."""
    return simulate(entities=3, days=30, seed=3)


class TestThreeWaysToAFeature:
    """Offline join, online read and direct computation."""

    def test_join_at_every_event_equals_direct_computation_to_the_last_bit(
        self, store: FeatureStoreResource, readings: pd.DataFrame, tmp_path: Path
    ) -> None:
        spec = forecast()
        computed = feature_table(readings, spec)
        store.apply(spec, write(computed, tmp_path / "features.parquet"))
        joined = store.training_join(spec, computed[KEYS])
        pd.testing.assert_frame_equal(joined, computed, check_exact=True)

    def test_online_read_equals_direct_computation_to_the_last_bit(
        self, store: FeatureStoreResource, readings: pd.DataFrame, tmp_path: Path
    ) -> None:
        spec = forecast()
        computed = feature_table(readings, spec)
        assert store.materialize(spec, write(computed, tmp_path / "features.parquet")) == 3
        series = series_of(readings, spec)
        online = store.read_online(spec, [one.entity for one in series])
        direct = [
            latest_features(one, columns=spec.columns.numeric, spec=spec.features) for one in series
        ]
        np.testing.assert_array_equal(online[list(spec.feature_names)].to_numpy(), direct)
        assert online["event_timestamp"].tolist() == [
            pd.Timestamp(one.timestamps[-1], tz="UTC") for one in series
        ]

    def test_join_just_after_the_last_event_equals_the_online_read(
        self, store: FeatureStoreResource, readings: pd.DataFrame, tmp_path: Path
    ) -> None:
        spec = forecast()
        computed = feature_table(readings, spec)
        store.materialize(spec, write(computed, tmp_path / "features.parquet"))
        latest = computed.groupby("entity", as_index=False)["event_timestamp"].max()
        later = latest.assign(event_timestamp=latest["event_timestamp"] + pd.Timedelta(minutes=5))
        joined, online = (
            store.training_join(spec, later),
            store.read_online(spec, latest["entity"].tolist()),
        )
        names = list(spec.feature_names)
        pd.testing.assert_frame_equal(joined[names], online[names], check_exact=True)


class TestJoin:
    """The point-in-time join."""

    def test_rows_and_other_columns_stay_in_the_order_of_the_keys(
        self, store: FeatureStoreResource, tmp_path: Path
    ) -> None:
        spec = forecast()
        table = table_of(spec, hours("1", 500) + hours("2", 500))
        store.apply(spec, write(table, tmp_path / "features.parquet"))
        shuffled = table.sample(frac=1, random_state=1)
        joined = store.training_join(spec, shuffled[KEYS].assign(label=range(len(shuffled))))
        expected = shuffled.reset_index(drop=True).assign(label=range(len(shuffled)))
        pd.testing.assert_frame_equal(joined, expected, check_exact=True)

    def test_a_row_lives_for_exactly_two_steps(
        self, store: FeatureStoreResource, tmp_path: Path
    ) -> None:
        spec = forecast()
        store.apply(spec, write(table_of(spec, hours("1", 1)), tmp_path / "features.parquet"))
        ages = pd.to_timedelta([-1, 0, 7_200_000_000, 7_200_000_001], unit="us")
        joined = store.training_join(
            spec, pd.DataFrame({"entity": "1", "event_timestamp": START + ages})
        )
        found = joined["OT_lag_0"].notna().tolist()
        assert found == [False, True, True, False]

    def test_no_keys_give_no_rows(self, store: FeatureStoreResource, tmp_path: Path) -> None:
        spec = forecast()
        table = table_of(spec, hours("1", 3))
        store.apply(spec, write(table, tmp_path / "features.parquet"))
        assert store.training_join(spec, table[:0][KEYS]).equals(table[:0])

    def test_rows_without_a_time_are_joined_by_their_number(
        self, store: FeatureStoreResource, tmp_path: Path
    ) -> None:
        spec = tabular()
        table = table_of(spec, [(str(row), pd.Timestamp(0, tz="UTC")) for row in range(50)])
        store.apply(spec, write(table, tmp_path / "features.parquet"))
        joined = store.training_join(spec, table[KEYS])
        pd.testing.assert_frame_equal(joined, table, check_exact=True)


class TestOnlineStore:
    """The latest features of each entity."""

    def test_holds_the_latest_row_of_each_entity_however_old_it_is(
        self, store: FeatureStoreResource, tmp_path: Path
    ) -> None:
        spec = forecast()
        rows = hours("new", 5, start=START + 1000 * HOUR) + hours("old", 3)
        table = table_of(spec, rows)
        store.materialize(spec, write(table, tmp_path / "features.parquet"))
        expected = table.iloc[[7, 4]].reset_index(drop=True)
        pd.testing.assert_frame_equal(store.read_online(spec, ["old", "new"]), expected)

    def test_answers_an_unknown_entity_with_nothing(
        self, store: FeatureStoreResource, tmp_path: Path
    ) -> None:
        spec = forecast()
        table = table_of(spec, hours("1", 3))
        store.materialize(spec, write(table, tmp_path / "features.parquet"))
        answer = store.read_online(spec, ["1", "unknown"])
        assert answer["entity"].tolist() == ["1", "unknown"]
        assert answer.drop(columns="entity").iloc[1].isna().all()
        assert answer.iloc[0].notna().all()

    def test_keeps_rows_without_a_time(self, store: FeatureStoreResource, tmp_path: Path) -> None:
        spec = tabular()
        table = table_of(spec, [(str(row), pd.Timestamp(0, tz="UTC")) for row in range(9)])
        assert store.materialize(spec, write(table, tmp_path / "features.parquet")) == 9
        online = store.read_online(spec, table["entity"].tolist())
        pd.testing.assert_frame_equal(online, table, check_exact=True)

    def test_is_the_same_after_materialising_twice(
        self, store: FeatureStoreResource, tmp_path: Path
    ) -> None:
        spec = forecast()
        path = write(table_of(spec, hours("1", 5) + hours("2", 5)), tmp_path / "features.parquet")
        states = []
        for _ in range(2):
            store.materialize(spec, path)
            states.append((store.read_online(spec, ["1", "2"]), stored_values(store, spec)))
        pd.testing.assert_frame_equal(states[0][0], states[1][0])
        assert states[0][1] == states[1][1] == 2 * len(spec.feature_names)

    def test_follows_new_features(self, store: FeatureStoreResource, tmp_path: Path) -> None:
        spec = forecast()
        for count in (3, 6):
            table = table_of(spec, hours("1", count))
            store.materialize(spec, write(table, tmp_path / "features.parquet"))
            assert store.read_online(spec, ["1"]).equals(table[-1:].reset_index(drop=True))


def stored_values(store: FeatureStoreResource, spec: PipelineSpec) -> int:
    """Values in the online table of the model."""
    with sqlite3.connect(Path(store.home) / "online.db") as database:
        table = f"ml_assets_{spec.feature_view}"
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608


class TestVersions:
    """Feature views and services over the life of a model."""

    def test_a_service_keeps_its_features_when_the_spec_changes(
        self, store: FeatureStoreResource, tmp_path: Path
    ) -> None:
        old, new = forecast(lags=(0, 1)), forecast(lags=(0, 2))
        tables = {spec.features.names: table_of(spec, hours("1", 3)) for spec in (old, new)}
        for version, spec in enumerate((old, new), start=1):
            path = write(tables[spec.features.names], tmp_path / "features.parquet")
            store.materialize(spec, path)
            assert store.register_service(spec, version) == f"oil_v{version}"
        feast = FeatureStore(config=_repo_config(Path(store.home)))
        for version, spec in enumerate((old, new), start=1):
            service = feast.get_feature_service(f"oil_v{version}")
            answer = feast.get_online_features(service, entity_rows=[{"entity": "1"}]).to_dict()
            latest = tables[spec.features.names].iloc[-1]
            assert {name: answer[name] for name in spec.feature_names} == {
                name: [latest[name]] for name in spec.feature_names
            }

    def test_the_view_changes_its_name_with_the_features_only(self) -> None:
        name = forecast().feature_view
        assert forecast(description="new", split={"train": 0.5}).feature_view == name
        assert forecast(lags=(1, 0, 24)).feature_view != name
        features = forecast().features.model_dump()
        assert forecast(features=features | {"timezone": "Europe/Berlin"}).feature_view != name
        reordered = dict(reversed(features["columns"].items()))
        assert forecast(features=features | {"columns": reordered}).feature_view != name
