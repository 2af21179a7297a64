"""Unpacks a tar of pack.py, from standard input, into a directory, with owners and rights.

`check` is used before that too, on the host: a backup that would write elsewhere is refused whole.
"""

import os
import shutil
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO


class ForeignTarError(Exception):
    """A tar that pack.py has not written; the message names the member."""


def check(tar: Iterable[tarfile.TarInfo]) -> Iterator[tarfile.TarInfo]:
    """The members of a tar, each known to stay below the directory that it is unpacked into.

    Raises:
        ForeignTarError: One does not, or is there twice, or is neither file, directory nor link.
    """
    seen: set[PurePosixPath] = set()
    links: set[PurePosixPath] = set()
    for member in tar:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or "\0" in member.name:
            raise ForeignTarError(f"{member.name!r} leads out of its directory")
        if path in seen or links & {path, *path.parents}:
            raise ForeignTarError(f"{member.name!r} is there twice, or lies below a link")
        if not (member.isreg() or member.isdir() or member.issym()):
            raise ForeignTarError(f"{member.name!r} is no file, directory or link")
        if member.issym():
            _check_link(path, member.linkname)
            links.add(path)
        seen.add(path)
        yield member


def _check_link(path: PurePosixPath, target: str) -> None:
    joined = os.path.normpath(str(path.parent / target))
    if target.startswith("/") or joined == ".." or joined.startswith("../"):
        raise ForeignTarError(f"the link {str(path)!r} leads out of its directory")


def unpack(source: IO[bytes], root: Path) -> None:
    """Unpacks a tar.

    Raises:
        ForeignTarError: It was not written by pack.py.
    """
    directories: list[tarfile.TarInfo] = []
    with tarfile.open(fileobj=source, mode="r|") as tar:
        for member in check(tar):
            path = root / member.name
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
                directories.append(member)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(tar, member, path)
            _own(path, member)
    # Last, as a file that is written changes the time of its directory.
    for member in reversed(directories):
        _own(root / member.name, member)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    if member.issym():
        path.symlink_to(member.linkname)
        return
    content = tar.extractfile(member)
    with path.open("xb") as file:
        if content:
            shutil.copyfileobj(content, file)


def _own(path: Path, member: tarfile.TarInfo) -> None:
    if os.geteuid() == 0:
        os.chown(path, member.uid, member.gid, follow_symlinks=False)
    if not member.issym():
        path.chmod(member.mode)
        os.utime(path, (member.mtime, member.mtime))


if __name__ == "__main__":
    try:
        unpack(sys.stdin.buffer, Path(sys.argv[1]))
        os.sync()
    except (ForeignTarError, tarfile.TarError, OSError) as error:
        sys.exit(str(error))
