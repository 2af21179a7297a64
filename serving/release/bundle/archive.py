"""The bundle as one file: a tar archive that appears whole or not at all."""

import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from ml_assets.resources.files import atomic_write
from serving.release.bundle.signed_files import BundleError

EXECUTABLE = ".sh"


def pack(directory: Path, target: Path, *, epoch: int, below: str = "") -> None:
    """Writes a directory as an archive.

    Args:
        directory: What is packed; its files are then readable by all.
        target: The archive; it is not there before it is whole.
        epoch: Time of all files in it, in seconds since 1970.
        below: Name of the directory in the archive; without it the files are at its top.

    Raises:
        StateError: No space, or no permission; nothing is left.
    """

    def normal(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        is_open = entry.isdir() or entry.name.endswith(EXECUTABLE)
        entry.mode, entry.mtime = 0o755 if is_open else 0o644, epoch
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    with atomic_write(target) as file, tarfile.open(fileobj=file, mode="w") as tar:
        if below:
            tar.add(directory, below, recursive=False, filter=normal)
        for path in sorted(directory.rglob("*")):
            name = PurePosixPath(below, path.relative_to(directory)).as_posix()
            tar.add(path, name, recursive=False, filter=normal)


def unpack(archive: Path, directory: Path) -> None:
    """Unpacks an archive of directories and regular files; anything else is refused.

    Raises:
        BundleError: It is damaged, or has something in it that would not lie below ``directory``.
    """
    try:
        with tarfile.open(archive) as tar:
            for entry in tar:
                _extract(tar, entry, directory)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise BundleError(f"{archive} can't be unpacked: {error}") from error


def _extract(tar: tarfile.TarFile, entry: tarfile.TarInfo, directory: Path) -> None:
    path = PurePosixPath(entry.name)
    if path.is_absolute() or ".." in path.parts or not (entry.isfile() or entry.isdir()):
        raise BundleError(f"{entry.name!r} has no business in the archive of a release")
    target = directory / path
    if entry.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if content := tar.extractfile(entry):
        with target.open("wb") as file:
            shutil.copyfileobj(content, file)


@contextmanager
def unpacked(archive: Path, *, scratch: Path) -> Iterator[Path]:
    """The directory that was packed, until the block ends.

    Raises:
        BundleError: It is no archive of one directory.
    """
    with TemporaryDirectory(dir=scratch, ignore_cleanup_errors=True) as place:
        unpack(archive, Path(place))
        found = [*Path(place).iterdir()]
        if len(found) != 1 or not found[0].is_dir():
            raise BundleError(f"{archive} does not hold one directory; fetch it again")
        yield found[0]


def read_member(archive: Path, name: str) -> bytes:
    """The content of one file of an archive, by its path below the directory.

    Raises:
        BundleError: It is not there.
    """
    try:
        with tarfile.open(archive) as tar:
            root = tar.getnames()[0]
            file = tar.extractfile(f"{root}/{name}")
            if file is not None:
                return file.read()
    except (OSError, tarfile.TarError, KeyError, IndexError, EOFError) as error:
        raise BundleError(f"{archive} has no {name}: {error}") from error
    raise BundleError(f"{archive} has no {name}")
