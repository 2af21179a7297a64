"""The directory of a backup, which has its name once it is complete."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from operations.backup.manifest import BackupError

PARTIAL = ".partial"
LOCK = ".lock"
MARGIN = 100 << 20
"""Bytes that are to stay free."""


def new_name(platform: str, now: datetime) -> str:
    """The name of a backup."""
    return f"{platform}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"


@contextmanager
def unfinished(parent: Path, name: str) -> Iterator[Path]:
    """A directory that gets its name if the block ends well, and is removed if it does not.

    Only its owner can read it.

    Raises:
        BackupError: The directory can't be made, or there is one of that name.
    """
    place, complete = parent / f"{name}{PARTIAL}", parent / name
    if complete.exists():
        raise BackupError(f"{complete} is there already")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(parent)
        place.mkdir(mode=0o700)
    except OSError as error:
        raise BackupError(f"{place} can't be made: {error.strerror}") from error
    try:
        with (place / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield place
            _complete(place, complete)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


def _complete(place: Path, complete: Path) -> None:
    """Gives a directory its name, once all of it is on the disk."""
    for path in (*place.rglob("*"), place):
        _sync(path)
    place.rename(complete)
    # Not before: without it, another backup would take this one for a leftover.
    (complete / LOCK).unlink()
    _sync(complete)
    _sync(complete.parent)


def remove_leftovers(parent: Path) -> None:
    """Removes what backups have left that were killed, and not what others are making."""
    for left in parent.glob(f"*{PARTIAL}"):
        lock = left / LOCK
        if not lock.exists() or _is_free(lock):
            shutil.rmtree(left, ignore_errors=True)


def _is_free(lock: Path) -> bool:
    try:
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):  # held, or complete by now
        return False
    return True


def require_space(directory: Path, needed: int) -> None:
    """Makes sure that a backup fits.

    Raises:
        BackupError: It does not.
    """
    existing = next(one for one in (directory, *directory.absolute().parents) if one.exists())
    free = shutil.disk_usage(existing).free
    if free < needed + MARGIN:
        raise BackupError(
            f"a backup takes up to {needed >> 20} MB, and {free >> 20} MB are free at {directory}; "
            "make room, or name another disk: make backup TO=/path"
        )


def _sync(path: Path) -> None:
    """Writes a file, or the names in a directory, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
