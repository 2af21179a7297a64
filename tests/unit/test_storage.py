"""What the state directory promises: whole files, one run at a time, plain errors."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest

from ml_assets.core.errors import StateError
from ml_assets.resources.files import UNFINISHED, atomic_write
from ml_assets.resources.storage import Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(home=str(tmp_path))


def _other_process(home: Path, body: str) -> subprocess.Popen[str]:
    code = f"""
        import sys, time
        from ml_assets.resources.storage import Storage
        storage = Storage(home={str(home)!r})
        {body}
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )


def test_a_frame_is_read_back_as_it_was_written(storage: Storage) -> None:
    frame = pd.DataFrame({"a": [1.5, None], "b": ["x", "y"]})
    path = storage.write_frame(frame, storage.file("m", "t.parquet"), data_version="v")
    pd.testing.assert_frame_equal(storage.read_frame(path, made_by="t"), frame)
    assert storage.data_version(path, made_by="t") == "v"


def test_a_missing_file_names_the_asset_that_makes_it(storage: Storage) -> None:
    with pytest.raises(StateError, match="materialise the model's asset 'features' first"):
        storage.read_frame(storage.file("m", "features.parquet"), made_by="features")


def test_a_write_that_fails_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_write(path) as file:
        file.write(b"new, but not whole")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_plainly_and_leaves_the_old_file(tmp_path: Path) -> None:
    code = f"""
        from pathlib import Path
        from ml_assets.core.errors import StateError
        from ml_assets.resources.files import atomic_write
        path = Path({str(tmp_path)!r}, "file")
        path.write_bytes(b"old")
        try:
            with atomic_write(path) as file:
                file.write(b"x" * (1 << 20))
        except StateError as error:
            print(error)
        print([(one.name, one.read_bytes()) for one in path.parent.iterdir()])
    """
    script = tmp_path.with_suffix(".py")
    script.write_text(textwrap.dedent(code))
    mount = f"mount -t tmpfs -o size=64k tmpfs {tmp_path} && exec {sys.executable} {script}"
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", mount],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    message, files = done.stdout.splitlines()
    assert message.startswith(f"no space left to write {tmp_path}/file")
    assert "ML_ASSETS_HOME" in message
    assert files == "[('file', b'old')]"


def test_a_second_process_is_refused_and_told_who_holds_the_model(
    storage: Storage, tmp_path: Path
) -> None:
    other = _other_process(
        tmp_path, "storage.claim('m', run_id='r1'); print('held', flush=True); time.sleep(60)"
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(StateError, match=rf"run r1 \(process {other.pid}.* working on 'm'"):
            storage.claim("m", run_id="r2")
    finally:
        other.kill()
        other.wait()


def test_a_killed_process_leaves_nothing_to_clean_up(storage: Storage, tmp_path: Path) -> None:
    other = _other_process(
        tmp_path, "storage.claim('m', run_id='r1'); print('held', flush=True); time.sleep(60)"
    )
    assert other.stdout is not None
    other.stdout.readline()
    leftover = storage.directory("m") / f".t.parquet.abc{UNFINISHED}"
    leftover.touch()
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    storage.claim("m", run_id="r2")
    assert not leftover.exists()
    owner = json.loads((storage.directory("m") / ".owner.json").read_text())
    assert owner["run"] == "r2"


def test_another_model_can_be_claimed_at_the_same_time(storage: Storage, tmp_path: Path) -> None:
    other = Storage(home=str(tmp_path))
    storage.claim("m", run_id="r1")
    other.claim("n", run_id="r2")
