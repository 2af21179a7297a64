"""The ledger's lines: each holds the hash of the one before.

A line is JSON in canonical form: keys sorted, no spaces, UTF-8. Beside the entry it holds its
number, counted from 1, the hash of the line before, and its own hash, the sha256 of all of it but
the hash: what `jq -cSj 'del(.hash)' | sha256sum` computes. The head is a file of its own with the
number and the hash of the last line, so that the removal of last lines shows.

A hash is no signature: whoever can write both files can write another ledger in place of this one.
Whoever keeps the last hash elsewhere can tell that one too.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from serving.release.ledger.entries import Entry
from serving.runtime.errors import MLAssetsError
from serving.runtime.spec import FrozenModel

FIRST = "0" * 64
"""What the first line holds in place of the hash of the line before."""


class LedgerError(MLAssetsError):
    """The ledger was changed by another way than an entry at its end, or can't be read.

    Attributes:
        line: The first line that is not as it was written, counted from 1; None if the fault is
            none of a line.
    """

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class Head(FrozenModel):
    """The end of the ledger.

    Attributes:
        number: Number of the last line; 0 in an empty ledger.
        hash: Its hash.
    """

    number: Annotated[int, Field(ge=0)]
    hash: str

    @property
    def label(self) -> str:
        """Both as people note them: ``12:ab01...``."""
        return f"{self.number}:{self.hash}"


@dataclass(frozen=True)
class Line:
    """A line of the ledger.

    Attributes:
        number: Counted from 1.
        previous: Hash of the line before.
        hash: Its own hash.
        entry: What it records.
    """

    number: int
    previous: str
    hash: str
    entry: Entry


@dataclass(frozen=True)
class Snapshot:
    """The ledger's files at a moment.

    Attributes:
        path: Where the ledger is.
        content: Its content; empty if it is not there.
        head: Content of the head; None if it is not there.
    """

    path: Path
    content: bytes
    head: bytes | None

    @property
    def lines(self) -> list[bytes]:
        """The lines that end."""
        return self.content.split(b"\n")[:-1]

    @property
    def leftover(self) -> int:
        """How many bytes come after them."""
        return len(self.content) - self.content.rfind(b"\n") - 1

    def damage(self, line: int, what: str) -> LedgerError:
        """The error that names a line and says what happened to it."""
        return LedgerError(
            f"{self.path}: line {line} {what}. Find out who changed the file, and bring it and its "
            "head back from a copy",
            line=line,
        )


@dataclass(frozen=True)
class Chain:
    """A ledger that is as it was written.

    Attributes:
        lines: Its lines.
        leftover: Bytes at its end that are no line: a writer is at work or was stopped.
        is_head_behind: Whether the head does not know of the last line yet, for the same reason.
    """

    lines: tuple[Line, ...]
    leftover: int
    is_head_behind: bool

    @property
    def head(self) -> Head:
        """Its end."""
        return Head(number=len(self.lines), hash=self.lines[-1].hash if self.lines else FIRST)

    def check_holds(self, label: str) -> None:
        """Checks that the ledger had once ended as somebody has noted it.

        Args:
            label: The label of a head.

        Raises:
            LedgerError: It had not.
        """
        number, _, found = label.partition(":")
        held = [
            Head(number=0, hash=FIRST),
            *(Head(number=one.number, hash=one.hash) for one in self.lines),
        ]
        if Head(number=int(number) if number.isdecimal() else 0, hash=found) in held:
            return
        raise LedgerError(
            f"the ledger has no line {label}, so that it is not the one that this was noted of; it "
            f"has {len(self.lines)} lines"
        )

    @property
    def entries(self) -> list[Entry]:
        """What its lines record."""
        return [line.entry for line in self.lines]

    @property
    def notes(self) -> list[str]:
        """What a writer that was stopped has left; the next one puts it in order."""
        told = []
        if self.leftover:
            told.append(f"{self.leftover} bytes after the last line are no entry")
        if self.is_head_behind:
            told.append("the head does not name the last line yet")
        return told


def next_line(entry: Entry, *, after: Head) -> tuple[Line, bytes]:
    """The line of an entry, and how it is written."""
    content = {
        **entry.model_dump(mode="json"),
        "number": after.number + 1,
        "previous": after.hash,
    }
    line = Line(after.number + 1, after.hash, content_hash(content), entry)
    return line, canonical({**content, "hash": line.hash}) + b"\n"


def canonical(content: Mapping[str, Any]) -> bytes:
    """JSON that has one form for one content."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def content_hash(content: Mapping[str, Any]) -> str:
    """The hash of a line, from all of it but the hash."""
    return hashlib.sha256(canonical(content)).hexdigest()
