"""Files that are written whole or not at all, and the disk's errors in a user's words."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ml_assets.core.errors import StateError

NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
FREE_MIB = 50
"""Least free space that a run begins with, so that no database of Dagster or MLflow fails later."""
UNFINISHED = "~"
"""How the name of a file ends that is still being written, or whose writer was killed."""


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that takes the place of ``path`` once it is whole.

    Raises:
        StateError: No space or no permission; ``path`` is as it was.
    """
    with told_plainly(path):
        descriptor, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED
        )
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)


@contextmanager
def told_plainly(path: Path) -> Iterator[None]:
    """Turns the system's errors about ``path`` into a StateError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise _no_space(path) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise StateError(f"{path} can't be written: {error.strerror}") from error
        raise


def require_space(directory: Path) -> None:
    """Makes sure that a run has room to work.

    Raises:
        StateError: Less than `FREE_MIB` are free below ``directory``.
    """
    if _free_mib(directory) < FREE_MIB:
        raise _no_space(directory)


def _no_space(path: Path) -> StateError:
    return StateError(
        f"no space left to write {path} ({_free_mib(path)} MiB free); free some space, or set "
        "ML_ASSETS_HOME to a larger disk. Nothing was changed"
    )


def _free_mib(path: Path) -> int:
    return shutil.disk_usage(_existing(path)).free >> 20


def _existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.exists())
