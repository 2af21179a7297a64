"""A bundle that is killed half-way, or has no room, leaves nothing that looks finished."""

import os
import pkgutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.release.bundle import oci
from tests.mounts import run_mounted, small_disk
from tests.unit.bundle_cases import flip
from tests.unit.bundling_cases import Workbench
from tests.unit.image_cases import BASE, tar
from tests.unit.saved_images import SavedImage, image

MOMENTS = {
    "the-image-is-saved": ("serving.release.bundle.oci.docker", 1),
    "a-layer-is-compressed": ("serving.release.bundle.layers._last", 1),
    "a-layer-is-written": ("os.fsync", 1),
    "the-layout-is-finished": ("serving.release.bundle.oci._finish", 1),
    "files-are-written": ("serving.release.bundle.assembling.card_json", 1),
    "the-image-is-packed": ("tarfile.TarFile.add", 3),
    "the-image-is-written": ("os.fsync", 3),
    "the-files-are-signed": ("serving.release.bundling.sign_directory", 1),
    "the-bundle-is-packed": ("tarfile.TarFile.add", 20),
    "the-bundle-is-written": ("os.fsync", 4),
}
"""What is called for how manieth time when a process is killed."""
LATE = {
    "the-record-comes": ("serving.release.records.ReleaseFiles.write_bundle", 1),
    "the-record-is-written": ("os.fsync", 5),
}
"""Moments at which the bundle is whole, and nobody has noted it."""


@pytest.fixture
def bench(home: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    bench = Workbench.create(home, image("1.0"))
    monkeypatch.setattr(oci, "docker", bench.engine)
    return bench


def is_killed(work: Callable[[], object], name: str, nth: int) -> bool:
    """Works in another process; whether it was killed, as something was called often enough."""
    if process := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
    real, calls = pkgutil.resolve_name(name), []

    def counted(*given: Any, **more: Any) -> Any:
        calls.append(name)
        if len(calls) == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*given, **more)

    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(name, counted)
            work()
    finally:
        os._exit(1)  # no test goes on in the other process


def assert_whole(bench: Workbench) -> None:
    """Asserts that there is a bundle, noted, and nothing else."""
    record = bench.files.require_bundle()
    bench.check(bench.files.archive(record))
    assert bench.left == {"bundle.json", record.file}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_bundle_that_is_killed_is_not_there(bench: Workbench, moment: str) -> None:
    assert is_killed(bench.work, *MOMENTS[moment])
    assert [name for name in bench.left if not name.startswith(".")] == []
    bench.work()
    assert_whole(bench)


@pytest.mark.parametrize("moment", LATE)
def test_a_bundle_that_is_killed_at_the_end_is_whole_and_not_noted(
    bench: Workbench, moment: str
) -> None:
    assert is_killed(bench.work, *LATE[moment])
    (archive,) = bench.files.records.glob("*.tar")
    bench.check(archive)
    assert bench.files.find_bundle() is None
    bench.work()
    assert_whole(bench)


def test_a_bundle_that_is_there_is_kept(bench: Workbench) -> None:
    first = bench.work()
    before = bench.files.archive(first).stat()
    assert bench.work() == first
    assert bench.files.archive(first).stat().st_mtime_ns == before.st_mtime_ns
    assert_whole(bench)


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_bundle_that_was_damaged_since_is_made_anew(bench: Workbench, damage: str) -> None:
    archive = bench.files.archive(bench.work())
    if damage == "flipped":
        flip(archive)
    else:
        os.truncate(archive, archive.stat().st_size // 2 if damage == "cut" else 0)
    bench.work()
    assert_whole(bench)


def large_image() -> SavedImage:
    """An image that does not compress well."""
    return SavedImage.of(tar(BASE), tar({"large": np.random.default_rng(1).bytes(400_000)}))


FULL_DISK = """
    import os, sys
    from pathlib import Path
    from ml_assets.core.errors import StateError
    from serving.release.bundle import oci
    from tests.unit.bundling_cases import Workbench
    from tests.unit.test_bundle_interrupted import assert_whole, large_image

    home = Path(sys.argv[1])
    bench = Workbench.create(home, large_image())
    oci.docker = bench.engine
    filler = home / "filler"
    refused = 0
    while True:
        free = os.statvfs(home).f_bavail * os.statvfs(home).f_bsize
        filler.write_bytes(bytes(max(0, free - refused * 100_000)))
        try:
            bench.work()
        except (StateError, OSError) as error:
            assert bench.left == set(), bench.left
            assert "space" in str(error), error
            print(type(error).__name__)
            refused += 1
            filler.unlink()
        else:
            break
    assert_whole(bench)
"""


def test_a_full_disk_leaves_nothing_and_is_told_plainly(tmp_path: Path) -> None:
    home = {"ML_ASSETS_HOME": tmp_path, "TMPDIR": tmp_path}
    done = run_mounted(small_disk(tmp_path, "8m"), FULL_DISK, tmp_path, **home)
    assert done.returncode == 0, done.stderr
    kinds = done.stdout.split()
    assert len(kinds) >= 5
    assert {*kinds} == {"StateError"}
