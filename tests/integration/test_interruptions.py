"""A run that is stopped, killed, or out of space leaves everything usable, and the next one works.

So does a second run that is started while the first one works.
"""

import re
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from ml_assets.core.dataset.snapshot import content_hash
from ml_assets.core.names import KEYS
from serving.runtime.model import Model
from tests.integration.workplace import (
    SIMULATED,
    TRANSFORMER,
    Workplace,
    read_spec,
    read_until,
)
from tests.mounts import run_mounted, small_disk

OTHER = f"{SIMULATED}&seed=8"
SECONDS = 600
FULL_DISK = """
    import os, sys
    from pathlib import Path
    from ml_assets.resources import files
    from tests.integration.workplace import Workplace

    disk = Path(sys.argv[1])
    filler = disk / "filler"
    place = Workplace.create(disk / "var")
    assert place.execute("iris").success

    def rejected():
        before = place.kept("iris")
        ended = place.run("iris")
        assert ended.status == 1 and ended.printed.count("error:") == 1, ended
        assert place.kept("iris") == before
        return ended.printed.partition("error: ")[2].strip()

    space = os.statvfs(disk)
    filler.write_bytes(bytes(space.f_bavail * space.f_frsize - (4 << 20)))
    print(rejected())
    files.FREE_MIB = 0  # as if the space had gone just after the run began
    with filler.open("ab", buffering=0) as file:
        file.write(bytes(4 << 20))
    print(rejected())
    filler.unlink()
    print(place.execute("iris").success)
"""


def _end(process: subprocess.Popen[str]) -> tuple[int, str]:
    printed, errors = process.communicate(timeout=SECONDS)
    assert errors == ""
    return process.returncode, printed


def test_ctrl_c_in_a_step_exits_with_130_and_a_sentence(promoted: Workplace) -> None:
    before = promoted.version(TRANSFORMER).version
    process = promoted.start("-m", "commands", "run", TRANSFORMER, "--source", OTHER)
    read_until(process, "dataset")
    process.send_signal(signal.SIGINT)
    status, printed = _end(process)
    assert status == 130
    assert printed.splitlines()[-1].startswith("stopped; ")
    assert promoted.version(TRANSFORMER).version == before
    assert promoted.execute(TRANSFORMER, "ingest", source=SIMULATED).success


@pytest.fixture(scope="module")
def killed(promoted: Workplace) -> int:
    """The version in production while a run was killed that was just writing its model."""
    before = promoted.version(TRANSFORMER).version
    artifacts = promoted.home / "mlartifacts"
    known = set(artifacts.rglob("model.ubj"))
    process = promoted.start("-m", "commands", "run", TRANSFORMER, "--source", OTHER)
    read_until(process, "training_set")
    deadline = time.monotonic() + SECONDS
    while set(artifacts.rglob("model.ubj")) == known:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    return before


class TestKilled:
    """kill -9 in the middle of the step that fits and logs the model."""

    pytestmark = pytest.mark.usefixtures("killed")

    def test_production_is_the_old_version_and_whole(
        self, promoted: Workplace, killed: int, tmp_path: Path
    ) -> None:
        live = promoted.version(TRANSFORMER)
        assert live.version == killed
        model = Model.load(promoted.registry.bundle(live, tmp_path))
        assert model.manifest.data_version == live.tags["data_version"]

    def test_dataset_is_the_one_that_its_pointer_names(self, promoted: Workplace) -> None:
        pointer = promoted.dataset(TRANSFORMER)
        assert pointer.version != promoted.version(TRANSFORMER).tags["data_version"]
        kept = pd.read_parquet(promoted.file(TRANSFORMER, f"datasets/{pointer.version}.parquet"))
        assert content_hash(kept) == pointer.version

    def test_feature_store_can_be_read(self, promoted: Workplace) -> None:
        spec = read_spec(TRANSFORMER)
        path = promoted.file(TRANSFORMER, f"features/{spec.feature_view}.parquet")
        stored = pd.read_parquet(path).tail(3)
        joined = promoted.feature_store.training_join(spec, stored[KEYS])
        pd.testing.assert_frame_equal(joined, stored.reset_index(drop=True), check_exact=True)

    def test_next_run_works_without_any_cleaning_up(self, promoted: Workplace, killed: int) -> None:
        assert promoted.execute(TRANSFORMER, source=OTHER).success
        assert promoted.version(TRANSFORMER).version > killed


def test_second_run_is_told_who_works_on_the_model_and_leaves_the_first_alone(
    promoted: Workplace,
) -> None:
    first = promoted.start("-m", "commands", "run", "iris", "--job", "ingest")
    read_until(first, "dataset")
    second = promoted.run("iris", "--job", "ingest")
    assert second.status == 1
    assert f"(process {first.pid}, since " in second.printed
    assert "is working on 'iris'; wait for it to end, or stop it" in second.printed
    status, printed = _end(first)
    assert status == 0
    steps = [line.split()[0] for line in printed.splitlines() if line.split()[1:2] == ["done"]]
    assert steps == ["features", "online_features"]


def test_full_disk_is_told_plainly_and_room_is_all_that_is_needed(tmp_path: Path) -> None:
    done = run_mounted(small_disk(tmp_path, "128m"), FULL_DISK, tmp_path)
    assert done.returncode == 0, done.stderr
    at_once, later, again = done.stdout.splitlines()
    assert at_once.startswith(f"no space left to write {tmp_path}/var (")
    assert "MiB free); free some space, or set ML_ASSETS_HOME to a larger disk" in at_once
    assert re.fullmatch("Dagster's database fails: .*; is the disk full\\?", later)
    assert again == "True"
