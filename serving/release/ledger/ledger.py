"""The ledger's files: lines are added at the end by one process at a time, and by no other way."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ml_assets.resources.files import UNFINISHED, atomic_write, told_plainly
from serving.release.ledger.chain import Chain, Head, LedgerError, Line, Snapshot, next_line
from serving.release.ledger.checking import check
from serving.release.ledger.entries import Entry

PATIENCE_SECONDS = 60
"""How long a writer waits for another one, which needs milliseconds."""


@dataclass(frozen=True)
class Ledger:
    """An append-only record, one entry a line.

    Readers take no lock and may see the directory read-only. A writer may be stopped anywhere: it
    leaves the ledger with its entry or without it, and the next writer puts the rest in order.

    Attributes:
        path: Its file.
    """

    path: Path

    @classmethod
    def of(cls, home: Path) -> "Ledger":
        """The ledger of a state directory."""
        return cls(home / "ledger" / "ledger.jsonl")

    @property
    def head(self) -> Path:
        """The file that names the last line."""
        return self.path.with_suffix(".head.json")

    def append(self, entry: Entry) -> Line:
        """Adds an entry; when this returns, it is on the disk.

        Raises:
            LedgerError: The ledger was changed by another way, or another writer does not end.
            StateError: No space or no permission; the ledger is as it was.
        """
        with self._locked() as chain:
            return self._add(entry, after=chain.head)

    def append_once(self, entry: Entry) -> Line | None:
        """Adds an entry unless it is there, so that what is done again is not recorded twice.

        Returns:
            The new line, or nothing if there was no need of one.

        Raises:
            LedgerError: The ledger was changed by another way, or another writer does not end.
            StateError: No space or no permission; the ledger is as it was.
        """
        with self._locked() as chain:
            if entry.is_among(chain.entries):
                return None
            return self._add(entry, after=chain.head)

    def read(self) -> list[Line]:
        """All lines, verified; none if there is no ledger yet.

        Raises:
            LedgerError: The ledger was changed by another way than an entry at its end.
        """
        return list(self.verify().lines)

    def verify(self) -> Chain:
        """The ledger, verified, with what a writer that was stopped has left.

        A writer at work may make two files differ for a moment; damage stays.

        Raises:
            LedgerError: A line was edited, removed, inserted or moved; it names the first one.
        """
        before = None
        while True:
            snapshot = self._snapshot()
            try:
                return check(snapshot)
            except LedgerError:
                if snapshot == before:
                    raise
                before = snapshot

    def _snapshot(self) -> Snapshot:
        """Both files. The head comes first, so that it is never the newer one."""
        try:
            head = self.head.read_bytes() if self.head.exists() else None
            content = self.path.read_bytes() if self.path.exists() else b""
        except OSError as error:
            raise LedgerError(f"{self.path} can't be read: {error.strerror}") from error
        return Snapshot(self.path, content, head)

    @contextmanager
    def _locked(self) -> Iterator[Chain]:
        """Keeps other writers away, and puts in order what one of them may have left."""
        with told_plainly(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path.with_suffix(".lock"), timeout=PATIENCE_SECONDS)
        try:
            with told_plainly(self.path):
                lock.acquire()
        except Timeout:
            raise LedgerError(
                f"another process has been writing {self.path} for {PATIENCE_SECONDS} s; nothing "
                "was recorded. See what it waits for, and start again"
            ) from None
        try:
            yield self._put_in_order()
        finally:
            lock.release()

    def _put_in_order(self) -> Chain:
        chain = self.verify()
        for unfinished in self.path.parent.glob(f".{self.head.name}.*{UNFINISHED}"):
            unfinished.unlink()
        if chain.leftover:
            os.truncate(self.path, self.path.stat().st_size - chain.leftover)
        if chain.is_head_behind or not self.head.exists():
            with self._next_head(chain.head):
                pass
        return chain

    def _add(self, entry: Entry, *, after: Head) -> Line:
        line, written = next_line(entry, after=after)
        with self._next_head(Head(number=line.number, hash=line.hash)), told_plainly(self.path):
            _append(self.path, written)
        return line

    @contextmanager
    def _next_head(self, head: Head) -> Iterator[None]:
        """Takes the place of the head after the block; the space for it is taken before."""
        with atomic_write(self.head) as file:
            file.write(head.model_dump_json().encode())
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
            yield
        _sync(self.path.parent)


def _append(path: Path, written: bytes) -> None:
    """Adds bytes to a file and to the disk: all of them or, if that fails, none."""
    with path.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            rest = memoryview(written)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(before)
            raise


def _sync(directory: Path) -> None:
    """Brings the names of a directory's files to the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
