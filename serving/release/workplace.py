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


@contextmanager
def workplace(files: ReleaseFiles) -> Iterator[Path]:
    """An empty directory beside the records of a release, for what is not finished yet."""
    with told_plainly(files.records):
        files.records.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(files.records)
        with TemporaryDirectory(
            dir=files.records, prefix=WORK, ignore_cleanup_errors=True
        ) as place:
            yield Path(place)


@contextmanager
def delivering(files: ReleaseFiles) -> Iterator[None]:
    """Keeps other runs from delivering a version of the same model meanwhile.

    Raises:
        ReleaseError: Another one does not end.
    """
    with told_plainly(files.records):
        files.records.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(files.records.parent / "delivery.lock", timeout=PATIENCE_SECONDS):
            yield
    except Timeout as error:
        raise ReleaseError(
            f"another run has been delivering this model for {PATIENCE_SECONDS} s; see the "
            "runs that are in progress"
        ) from error


def _remove_leftovers(records: Path) -> None:
    """Removes what killed runs have left; runs of one version wait for each other."""
    for left in records.glob(f"{WORK}*"):
        shutil.rmtree(left, ignore_errors=True)
    for left in records.glob(f".*{UNFINISHED}"):
        left.unlink(missing_ok=True)
