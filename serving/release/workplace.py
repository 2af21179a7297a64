"""Where a release makes what is not finished yet, and how its runs keep out of each other's way."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout

from ml_assets.resources.files import UNFINISHED, told_plainly
from serving.release.records import ReleaseError, ReleaseFiles

PATIENCE_SECONDS = 900
WORK = ".work."
"""How the names of directories begin in which something is being made."""
LOCK = "work.lock"


@contextmanager
def workplace(files: ReleaseFiles) -> Iterator[Path]:
    """An empty directory beside the records of a release, for what is not finished yet.

    One run at a time has one.

    Raises:
        ReleaseError: Another run of the version does not end.
        StateError: No space, or no permission.
    """
    with _alone(files, files.records / LOCK, doing="working on this version"):
        with told_plainly(files.records):
            _remove_leftovers(files.records)
            place = TemporaryDirectory(dir=files.records, prefix=WORK, ignore_cleanup_errors=True)
        with place as name:
            yield Path(name)


@contextmanager
def delivering(files: ReleaseFiles) -> Iterator[None]:
    """Keeps other runs from delivering a version of the same model meanwhile.

    Raises:
        ReleaseError: Another one does not end.
    """
    with _alone(files, files.records.parent / "delivery.lock", doing="delivering this model"):
        yield


@contextmanager
def _alone(files: ReleaseFiles, path: Path, *, doing: str) -> Iterator[None]:
    lock = FileLock(path, timeout=PATIENCE_SECONDS)
    try:
        with told_plainly(path):
            files.records.mkdir(parents=True, exist_ok=True)
            lock.acquire()
    except Timeout as error:
        raise ReleaseError(
            f"another run has been {doing} for {PATIENCE_SECONDS} s; see the runs that are in "
            "progress"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _remove_leftovers(records: Path) -> None:
    """Removes what killed runs have left."""
    for left in records.glob(f"{WORK}*"):
        shutil.rmtree(left, ignore_errors=True)
    for left in records.glob(f".*{UNFINISHED}"):
        left.unlink(missing_ok=True)
