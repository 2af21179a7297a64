"""The feature store when something goes wrong, and what is left afterwards."""

import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from ml_assets.core.errors import DataError, StateError
from ml_assets.core.names import KEYS
from ml_assets.core.spec import PipelineSpec
from ml_assets.resources.feast import FeatureStoreResource
from tests.integration.feast_cases import HOUR, START, forecast, hours, table_of, write
from tests.integration.feature_server import feast_command, feast_environment

ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path) -> FeatureStoreResource:
    """An empty feature store."""
    return FeatureStoreResource(home=str(tmp_path / "feast"))


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
        runs = [materialise(store, spec, path, slowly=True) for spec in specs]
        assert [run.wait(timeout=120) for run in runs] == [0, 0]
        for spec in specs:
            assert store.read_online(spec, ["1"])["event_timestamp"].tolist() == [START + 2 * HOUR]


MATERIALISE = """
import itertools, operator, os, pathlib, signal, sys, time
from ml_assets.core.spec import PipelineSpec
from ml_assets.resources.feast import FeatureStoreResource

home, spec, path, step, slowly = sys.argv[1:]
if step:
    import feast.infra.online_stores.sqlite, feast.infra.registry.sql
    owner, name = step.removeprefix("feast.").rsplit(".", 1)
    target = operator.attrgetter(owner)(feast)
    original, calls = getattr(target, name), itertools.count(1)

    def killed_at_the_second_call(*arguments, **options):
        if next(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **options)

    setattr(target, name, killed_at_the_second_call)
if slowly:
    import sqlalchemy.event
    from feast.infra.registry.sql import metadata

    # After the look at which tables are missing, before they are made.
    sqlalchemy.event.listen(metadata, "before_create", lambda *_, **__: time.sleep(3))
store = FeatureStoreResource(home=home)
store.materialize(PipelineSpec.model_validate_json(spec), pathlib.Path(path))
"""


def materialise(
    store: FeatureStoreResource,
    spec: PipelineSpec,
    path: Path,
    *,
    step: str = "",
    slowly: bool = False,
) -> "subprocess.Popen[bytes]":
    """Materialises in another process.

    Args:
        store: The feature store.
        spec: The model.
        path: Its features.
        step: A function of Feast inside which the process kills itself.
        slowly: Whether three seconds pass before the tables of a new registry are made.
    """
    arguments = [store.home, spec.model_dump_json(), str(path), step, "slowly" if slowly else ""]
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
        printed = printed_by_feast(store, "apply")
        assert "No changes to registry" in printed
        pd.testing.assert_frame_equal(store.read_online(spec, ["1"]), before)


def printed_by_feast(store: FeatureStoreResource, *arguments: str) -> str:
    """What `feast` prints about our repository."""
    return subprocess.run(
        [*feast_command(), *arguments],
        cwd=ROOT,
        env=feast_environment(Path(store.home)),
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_feast_is_not_imported_while_definitions_load() -> None:
    code = "import sys, ml_assets.resources.feast; sys.exit('feast' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
