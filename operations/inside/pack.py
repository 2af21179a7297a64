"""Writes a tar of a directory that others are writing, to standard output.

Its argument is JSON, a `Packing`. Databases are copied with SQLite's backup, each as its owner, as
SQLite makes files beside them. Other files are read when their turn comes; one that is gone by then
is left out. So is what is neither file, directory nor link that stays within, as is told.
"""

import fcntl
import io
import json
import os
import sqlite3
import stat
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import IO

MAGIC = b"SQLite format 3\0"
BESIDE = ("-journal", "-wal", "-shm")
IN_MEMORY = 32 << 20
"""Files up to this size are read at once, so that they are of one moment."""
LOCK_SECONDS = 60


class PackingError(Exception):
    """A file can't be packed as it is; the message says which one and why."""


@dataclass(frozen=True)
class Packing:
    """What is packed of a directory.

    Attributes:
        root: The directory.
        databases: Files and directories, below it, with databases that SQLite has open.
        wants_databases: Whether these are packed, or all the rest.
        only: What is packed; empty for everything.
        leave_out: Patterns of paths that are not.
        first: What is packed before the rest.
        lock: A lock file that is held meanwhile, if it is there.
        scratch: Where copies of databases are made.
    """

    root: Path
    databases: tuple[str, ...] = ()
    wants_databases: bool = False
    only: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    lock: str = ""
    scratch: Path = Path("/scratch")

    def as_json(self) -> str:
        """It, as the argument of this program."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def parse(cls, text: str) -> "Packing":
        """Reads what `as_json` has written."""
        told = json.loads(text)
        paths = {name: Path(told[name]) for name in ("root", "scratch")}
        lists = {name: tuple(value) for name, value in told.items() if isinstance(value, list)}
        return cls(**{**told, **paths, **lists})

    def takes(self, path: str) -> bool:
        """Whether a path, below the root, is packed as far as its name goes."""
        if any(fnmatch(path, pattern) for pattern in self.leave_out):
            return False
        return not self.only or _is_within(path, self.only)


def _is_within(path: str, places: tuple[str, ...]) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in places)


def pack(packing: Packing, output: IO[bytes]) -> list[str]:
    """Writes the tar.

    Returns:
        What was left out, a line each.

    Raises:
        PackingError: A database is damaged, or a large file became shorter meanwhile.
    """
    notes: list[str] = []
    with (
        _locked(packing),
        tarfile.open(fileobj=output, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in _paths(packing):
            with suppress(FileNotFoundError):
                _add(tar, packing, path, notes)
    return notes


@contextmanager
def _locked(packing: Packing) -> Iterator[None]:
    path = packing.root / packing.lock
    with path.open("rb") if path.is_file() else nullcontext() as file:
        if file:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _paths(packing: Packing) -> Iterator[str]:
    """All paths to pack, those that come first before the rest, directories before content."""
    done: set[str] = set()
    for start in (*packing.first, ""):
        for path in _walk(packing.root, start):
            if path not in done and packing.takes(path):
                yield path
                if start:
                    done.add(path)


def _walk(root: Path, start: str) -> Iterator[str]:
    """Paths below the root, from one of them on; `.` is the root itself."""
    if not (root / start).exists():
        return
    yield start or "."
    for directory, names, files in os.walk(root / start):
        names.sort()
        here = PurePosixPath(directory).relative_to(root)
        yield from (str(here / name) for name in sorted([*names, *files]))


def _add(tar: tarfile.TarFile, packing: Packing, path: str, notes: list[str]) -> None:
    found = packing.root / path
    mode = found.lstat().st_mode
    if _is_within(path, packing.databases) and stat.S_ISREG(mode):
        _add_beside_database(tar, packing, path)
    elif packing.wants_databases:
        return
    elif stat.S_ISREG(mode):
        _add_file(tar, found, path)
    elif stat.S_ISDIR(mode) or (stat.S_ISLNK(mode) and _stays_within(path, str(found.readlink()))):
        tar.addfile(_header(tar, found, path))
    else:
        notes.append(f"left out {path}: it is no file, directory or link within its volume")


def _add_beside_database(tar: tarfile.TarFile, packing: Packing, path: str) -> None:
    """A file where databases are: a database, what SQLite has beside it, or something else."""
    found = packing.root / path
    if _is_database(found):
        if packing.wants_databases:
            _add_database(tar, found, path, packing.scratch)
    elif not packing.wants_databases and not _is_beside(found):
        _add_file(tar, found, path)


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _is_beside(path: Path) -> bool:
    """Whether SQLite has made a file for itself, beside a database or an empty one."""
    ends = (end for end in BESIDE if path.name.endswith(end))
    return any(path.with_name(path.name.removesuffix(end)).exists() for end in ends)


def _stays_within(path: str, target: str) -> bool:
    joined = os.path.normpath(str(PurePosixPath(path).parent / target))
    return not target.startswith("/") and joined != ".." and not joined.startswith("../")


def _header(tar: tarfile.TarFile, found: Path, path: str, size: int = 0) -> tarfile.TarInfo:
    header = tar.gettarinfo(found, arcname=path)
    # Another name of a file that was packed is packed as a file of its own.
    if header.islnk():
        header.type, header.linkname = tarfile.REGTYPE, ""
    header.size = size if header.isreg() else 0
    return header


def _add_file(tar: tarfile.TarFile, found: Path, path: str) -> None:
    with found.open("rb") as file:
        size, content = os.fstat(file.fileno()).st_size, b""
        if size <= IN_MEMORY:
            content = file.read()
            size = len(content)
        try:
            tar.addfile(_header(tar, found, path, size), io.BytesIO(content) if content else file)
        except OSError as error:
            raise PackingError(f"{path} was cut while it was read; start again") from error


def _add_database(tar: tarfile.TarFile, found: Path, path: str, scratch: Path) -> None:
    copy = scratch / "database"
    try:
        with _as_owner(found):
            _copy_database(found, copy)
        with copy.open("rb") as file:
            tar.addfile(_header(tar, found, path, copy.stat().st_size), file)
    except sqlite3.Error as error:
        found.stat()  # tells if it is gone
        raise PackingError(f"the database {path} can't be copied: {error}") from error
    finally:
        copy.unlink(missing_ok=True)


def _copy_database(found: Path, copy: Path) -> None:
    existing = f"{found.as_uri()}?mode=rw"
    with (
        closing(sqlite3.connect(existing, timeout=LOCK_SECONDS, uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        # All of it at once: in steps, SQLite begins anew whenever somebody writes.
        source.backup(target)
        verdict = target.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise PackingError(f"the database {found.name} is damaged: {verdict}")


@contextmanager
def _as_owner(path: Path) -> Iterator[None]:
    """Acts as the owner of a file, if this is root."""
    if os.geteuid() != 0:
        yield
        return
    owner = path.stat()
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def main(argument: str) -> None:
    """Packs, and tells what was left out; an error ends the process with a sentence."""
    packing = Packing.parse(argument)
    if packing.wants_databases and os.geteuid() == 0:
        packing.scratch.chmod(0o1777)
    try:
        notes = pack(packing, sys.stdout.buffer)
    except (PackingError, OSError) as error:
        sys.exit(str(error))
    sys.stderr.write("".join(f"{note}\n" for note in notes))


if __name__ == "__main__":
    main(sys.argv[1])
