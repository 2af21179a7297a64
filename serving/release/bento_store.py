"""How a finished Bento gets into BentoML's store.

It is moved there by a rename: whatever stops a build half-way leaves the store as it was. The Bento
that it replaces is moved away just before; where a kill hits between the two, the next build, of
whatever model, moves it back.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

# Where a Bento waits while another takes its place.
REPLACED = "replaced"


@contextmanager
def workspace_in(bento_home: Path) -> Iterator[Path]:
    """An empty directory on the store's file system; one build at a time has one."""
    root = bento_home / "build"
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(bento_home / "build.lock"):
        _settle(bento_home)
        for left_over in root.iterdir():
            shutil.rmtree(left_over, ignore_errors=True)
        try:
            with tempfile.TemporaryDirectory(dir=root, ignore_cleanup_errors=True) as workspace:
                yield Path(workspace)
        finally:
            _settle(bento_home)


def install(built: Path, target: Path) -> None:
    """Moves a finished Bento to its place in the store, and what is there out of the way."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        model, version = target.parts[-2:]
        replaced = target.parents[2] / REPLACED / model / version
        replaced.parent.mkdir(parents=True, exist_ok=True)
        target.rename(replaced)
    built.rename(target)


def make_latest(bento: Path, *, scratch: Path) -> None:
    """Makes a Bento the one that its model's name without a version means."""
    scratch.write_text(bento.name, encoding="utf-8")
    scratch.replace(bento.parent / "latest")


def _settle(bento_home: Path) -> None:
    """Removes what was replaced, and moves back what nothing came in place of."""
    for replaced in (bento_home / REPLACED).glob("*/*"):
        target = bento_home / "bentos" / replaced.parent.name / replaced.name
        if target.exists():
            shutil.rmtree(replaced, ignore_errors=True)
        else:
            replaced.rename(target)
