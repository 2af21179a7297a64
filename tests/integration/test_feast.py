"""The feature store, with Feast's real registry, offline store and online store."""

import os
import signal
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from feast import FeatureStore
from feast.repo_config import RepoConfig
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_assets.core.errors import DataError, StateError
from ml_assets.core.feature_table import feature_table, series_of
from ml_assets.core.simulator import simulate
from ml_assets.core.spec import PipelineSpec
from ml_assets.feature_repo import KEYS
from ml_assets.feature_repo.definitions import entity, feature_view, view_name
from ml_assets.resources.feast import FeatureStoreResource, _repo_config
from serving.runtime.features import latest_features

ROOT = Path(__file__).parents[2]
START = pd.Timestamp("2024-03-30T00:00", tz="UTC")
HOUR = pd.Timedelta(hours=1)


def forecast(
    name: str = "oil", *, lags: tuple[int, ...] = (0, 1, 24), **changes: Any
) -> PipelineSpec:
    """A small forecast over the simulator's columns."""
    rolling = [{"window": 24, "statistics": ["mean", "std", "min", "max"]}]
    columns = {"timestamp": "date", "entity": "transformer", "target": "OT", "inputs": ["HUFL"]}
    content = {
        "name": name,
        "task": "forecast",
        "source": {"uri": "simulated://transformers"},
        "columns": columns,
        "forecast": {"horizon": 4, "lookback": 48},
        "features": {
            "columns": {
                "HUFL": {"lags": [0, 3], "rolling": rolling},
                "OT": {"lags": list(lags), "differences": [24], "rolling": rolling},
            },
            "calendar": ["hour_of_day", "day_of_week"],
        },
    }
    return PipelineSpec.model_validate(content | changes)


def table_of(spec: PipelineSpec, rows: list[tuple[str, pd.Timestamp]]) -> pd.DataFrame:
    """A feature table with these keys, and values that tell row and column."""
    frame = pd.DataFrame(rows, columns=KEYS).astype({"entity": "object"})
    frame["event_timestamp"] = pd.to_datetime(frame["event_timestamp"], utc=True).dt.as_unit("us")
    for column, name in enumerate(spec.feature_names):
        frame[name] = (np.arange(len(rows)) + column / 100).astype(np.float32)
    return frame


def hours(
    entity: str, count: int, *, start: pd.Timestamp = START
) -> list[tuple[str, pd.Timestamp]]:
    """Keys of one entity, an hour apart."""
    return [(entity, start + hour * HOUR) for hour in range(count)]


def write(frame: pd.DataFrame, path: Path) -> Path:
    """Writes the table; returns its path."""
    frame.to_parquet(path, index=False)
    return path


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


def tabular() -> PipelineSpec:
    """A classification whose columns have names as in scikit-learn's data."""
    columns = {"target": "species", "inputs": ["sepal length (cm)", "width_y"]}
    return PipelineSpec.model_validate(
        {
            "name": "flowers",
            "task": "classification",
            "source": {"uri": "sklearn://iris"},
            "columns": columns,
        }
    )


MOMENTS = st.integers(0, 12 * 60).map(lambda minutes: START + pd.Timedelta(minutes=minutes))
"""Minutes around the events: late, early, exact, and beyond the time to live."""
ENTITIES = st.sampled_from(["1", "2", "11", ""])
VALUES = st.one_of(st.none(), st.floats(width=32))
EVENTS = st.dictionaries(
    st.tuples(ENTITIES, st.one_of(MOMENTS, MOMENTS.map(lambda moment: moment.floor("h")))),
    st.tuples(VALUES, VALUES),
    min_size=1,
    max_size=12,
)
ASKED = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", "11", "", "unknown"]),
        st.one_of(MOMENTS, MOMENTS.map(lambda moment: moment.floor("h"))),
    ),
    min_size=1,
    max_size=12,
)
PAIR = PipelineSpec.model_validate(
    forecast("pair").model_dump()
    | {"features": {"columns": {"OT": {"lags": [0, 1]}}}, "columns": forecast().columns}
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> "BothStores":
    """Our offline store and the stock one."""
    return BothStores(tmp_path_factory.mktemp("both"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning:ibis")
class TestAsofStore:
    """Our offline store beside the one that Feast brings."""

    @settings(max_examples=60, deadline=None)
    @given(events=EVENTS, asked=ASKED, ttl=st.sampled_from([timedelta(hours=2), timedelta(0)]))
    def test_joins_any_keys_as_the_stock_duckdb_store_does(
        self,
        both: "BothStores",
        events: dict[tuple[str, pd.Timestamp], tuple[float | None, float | None]],
        asked: list[tuple[str, pd.Timestamp]],
        ttl: timedelta,
    ) -> None:
        rows = [(*key, *values) for key, values in events.items()]
        table = pd.DataFrame(rows, columns=[*KEYS, *PAIR.feature_names])
        table = table.astype(dict.fromkeys(PAIR.feature_names, "Float32"))
        keys = pd.DataFrame(asked * 2, columns=KEYS)
        ours, stock = both.join(table, keys, ttl=ttl)
        pd.testing.assert_frame_equal(ours, stock, check_exact=True)

    def test_reads_a_file_that_holds_the_newest_of_several_creations_as_the_stock_store_does(
        self, both: "BothStores"
    ) -> None:
        table = table_of(PAIR, [("1", START)] * 3)
        table["created"] = START + pd.to_timedelta([2, 9, 5], unit="h")
        ours, stock = both.join(table, table[:1][KEYS], ttl=timedelta(0), created="created")
        assert ours["OT_lag_0"].tolist() == stock["OT_lag_0"].tolist() == [1.0]


class BothStores:
    """Our store and Feast's own over one registry."""

    def __init__(self, home: Path) -> None:
        self.path = home / "features.parquet"
        self.ours = _repo_config(home)
        self.stock = RepoConfig(
            project=self.ours.project,
            provider=self.ours.provider,
            registry=self.ours.registry.model_dump(),
            online_store=self.ours.online_store.model_dump(),
            offline_store={"type": "duckdb"},
            entity_key_serialization_version=3,
        )

    def join(
        self, table: pd.DataFrame, keys: pd.DataFrame, *, ttl: timedelta, created: str = ""
    ) -> list[pd.DataFrame]:
        """What either store joins to the keys, in the keys' order."""
        table.to_parquet(self.path, index=False)
        view = feature_view(PAIR, self.path)
        view.ttl = ttl
        assert view.batch_source
        view.batch_source.created_timestamp_column = created
        FeatureStore(config=self.ours).apply([entity(PAIR), view])
        names = [f"{view.name}:{name}" for name in PAIR.feature_names]
        asked = keys.assign(row=range(len(keys)))
        jobs = [
            FeatureStore(config=config).get_historical_features(asked.copy(), features=names)
            for config in (self.ours, self.stock)
        ]
        return [job.to_df().sort_values("row", ignore_index=True) for job in jobs]


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
        table = f"ml_assets_{view_name(spec)}"
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
        name = view_name(forecast())
        assert view_name(forecast(description="new", split={"train": 0.5})) == name
        assert view_name(forecast(lags=(1, 0, 24))) != name
        features = forecast().features.model_dump()
        assert view_name(forecast(features=features | {"timezone": "Europe/Berlin"})) != name
        reordered = dict(reversed(features["columns"].items()))
        assert view_name(forecast(features=features | {"columns": reordered})) != name


class TestTrouble:
    """What goes wrong, and what is left afterwards."""

    def test_features_that_were_never_applied_are_asked_for(
        self, store: FeatureStoreResource
    ) -> None:
        keys = pd.DataFrame({"entity": ["1"], "event_timestamp": [START]})
        with pytest.raises(StateError, match="materialise oil/features first"):
            store.training_join(forecast(), keys)
        with pytest.raises(StateError, match="materialise oil/features first"):
            store.read_online(forecast(), ["1"])

    def test_a_missing_column_is_named(self, store: FeatureStoreResource, tmp_path: Path) -> None:
        spec = forecast()
        table = table_of(spec, hours("1", 3)).drop(columns="HUFL_lag_3")
        with pytest.raises(DataError, match=r"features\.parquet has no column 'HUFL_lag_3'"):
            store.apply(spec, write(table, tmp_path / "features.parquet"))

    def test_a_missing_file_is_named(self, store: FeatureStoreResource, tmp_path: Path) -> None:
        with pytest.raises(StateError, match=r"none\.parquet does not exist"):
            store.apply(forecast(), tmp_path / "none.parquet")

    def test_a_file_that_vanished_after_it_was_applied_is_named(
        self, store: FeatureStoreResource, tmp_path: Path
    ) -> None:
        spec = forecast()
        table = table_of(spec, hours("1", 3))
        path = write(table, tmp_path / "features.parquet")
        store.apply(spec, path)
        path.unlink()
        with pytest.raises(StateError, match=r"features\.parquet"):
            store.training_join(spec, table[KEYS])

    def test_an_empty_file_is_named(self, store: FeatureStoreResource, tmp_path: Path) -> None:
        spec = forecast()
        with pytest.raises(DataError, match=r"features\.parquet has no rows"):
            store.materialize(spec, write(table_of(spec, []), tmp_path / "features.parquet"))

    def test_a_damaged_registry_is_named(self, store: FeatureStoreResource, tmp_path: Path) -> None:
        spec = forecast()
        path = write(table_of(spec, hours("1", 3)), tmp_path / "features.parquet")
        Path(store.home).mkdir()
        (Path(store.home) / "registry.db").write_bytes(b"no database" * 100)
        with pytest.raises(StateError, match="file is not a database"):
            store.apply(spec, path)

    def test_nothing_is_printed(
        self, store: FeatureStoreResource, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        spec = forecast()
        table = table_of(spec, hours("1", 3))
        store.materialize(spec, write(table, tmp_path / "features.parquet"))
        store.training_join(spec, table[KEYS])
        store.read_online(spec, ["1"])
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize(
        "step",
        [
            "feast.infra.registry.sql.SqlRegistry.apply_entity",
            "feast.infra.online_stores.sqlite.extract_text_and_num",
        ],
    )
    def test_a_kill_leaves_the_last_good_state_and_the_next_run_works(
        self, store: FeatureStoreResource, tmp_path: Path, step: str
    ) -> None:
        spec = forecast()
        table = table_of(spec, hours("1", 3) + hours("2", 3))
        path = write(table, tmp_path / "features.parquet")
        store.materialize(spec, path)
        before = store.read_online(spec, ["1", "2"])
        newer = table_of(spec, hours("1", 9) + hours("2", 9))
        write(newer, path)
        assert run_and_kill(store, spec, path, step=step) == -signal.SIGKILL
        pd.testing.assert_frame_equal(store.read_online(spec, ["1", "2"]), before)
        store.materialize(spec, path)
        after = store.read_online(spec, ["1", "2"])
        pd.testing.assert_frame_equal(after, newer.iloc[[8, 17]].reset_index(drop=True))

    def test_the_environment_moves_the_registry_to_another_database(
        self, store: FeatureStoreResource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spec = forecast()
        monkeypatch.setenv("FEAST_REGISTRY", f"sqlite:///{tmp_path}/other.db")
        store.apply(spec, write(table_of(spec, hours("1", 3)), tmp_path / "features.parquet"))
        assert (tmp_path / "other.db").exists()
        assert not (Path(store.home) / "registry.db").exists()

    def test_two_processes_that_register_at_once_both_succeed(
        self, store: FeatureStoreResource, tmp_path: Path
    ) -> None:
        specs = [forecast(name) for name in ("left", "right")]
        path = write(table_of(specs[0], hours("1", 3)), tmp_path / "features.parquet")
        runs = [materialise(store, spec, path) for spec in specs]
        assert [run.wait(timeout=120) for run in runs] == [0, 0]
        for spec in specs:
            assert store.read_online(spec, ["1"])["event_timestamp"].tolist() == [START + 2 * HOUR]


MATERIALISE = """
import pathlib, sys
from ml_assets.core.spec import PipelineSpec
from ml_assets.resources.feast import FeatureStoreResource
home, spec, path, step = sys.argv[1:]
if step:
    import importlib, operator, os, signal
    import feast.infra.registry.sql, feast.infra.online_stores.sqlite
    owner, name = step.rsplit(".", 1)
    calls = iter(range(5))
    target = operator.attrgetter(owner.removeprefix("feast."))(feast)
    original = getattr(target, name)
    def killed(*arguments, **options):
        if next(calls) == 3 or name.startswith("apply"):
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **options)
    setattr(target, name, killed)
store = FeatureStoreResource(home=home)
store.materialize(PipelineSpec.model_validate_json(spec), pathlib.Path(path))
"""


def materialise(
    store: FeatureStoreResource, spec: PipelineSpec, path: Path, *, step: str = ""
) -> "subprocess.Popen[bytes]":
    """Materialises in another process, which kills itself inside the function ``step``."""
    arguments = [store.home, spec.model_dump_json(), str(path), step]
    return subprocess.Popen([sys.executable, "-c", MATERIALISE, *arguments], cwd=ROOT)


def run_and_kill(store: FeatureStoreResource, spec: PipelineSpec, path: Path, *, step: str) -> int:
    """The exit status of a run that is killed inside ``step``."""
    return materialise(store, spec, path, step=step).wait(timeout=120)


class TestCommandLine:
    """Feast's own command line on the repository."""

    def test_apply_deletes_nothing_that_a_pipeline_registered(
        self, store: FeatureStoreResource, tmp_path: Path
    ) -> None:
        spec = forecast()
        path = write(table_of(spec, hours("1", 3)), tmp_path / "features.parquet")
        store.materialize(spec, path)
        store.register_service(spec, 1)
        before = store.read_online(spec, ["1"])
        printed = feast_command(store, "apply")
        assert "No changes to registry" in printed
        pd.testing.assert_frame_equal(store.read_online(spec, ["1"]), before)


def feast_command(store: FeatureStoreResource, *arguments: str) -> str:
    """What `feast` prints about our repository."""
    home = Path(store.home)
    environment = {
        **os.environ,
        "FEAST_REGISTRY": f"sqlite:///{home}/registry.db",
        "FEAST_ONLINE_STORE": f"{{type: sqlite, path: {home}/online.db}}",
        "PYTHONPATH": str(ROOT),
    }
    command = [str(Path(sys.executable).with_name("feast")), "-c", "ml_assets/feature_repo"]
    return subprocess.run(
        [*command, *arguments],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_feast_is_not_imported_while_definitions_load() -> None:
    code = "import sys, ml_assets.resources.feast; sys.exit('feast' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
