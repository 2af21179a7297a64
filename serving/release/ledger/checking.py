"""Checks the lines of a ledger: which is the first that is not as it was written, and why."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from serving.release.ledger.chain import (
    FIRST,
    Chain,
    Head,
    LedgerError,
    Line,
    Snapshot,
    canonical,
    content_hash,
)
from serving.release.ledger.entries import ENTRY

EDITED = "was edited: its hash does not fit its content"
NO_ENTRY = "was edited, inserted or cut: it is not an entry as the ledger writes them"


def check(snapshot: Snapshot) -> Chain:
    """Checks every line, and the end.

    Raises:
        LedgerError: A line was edited, removed, inserted or moved; it names the first one.
    """
    links = list(_links(snapshot))
    head = _head(snapshot)
    if head is None and snapshot.content:
        raise LedgerError(f"the head of {snapshot.path} was removed; bring it back from a copy")
    _check_end(links, head or Head(number=0, hash=FIRST), snapshot)
    return Chain(
        lines=tuple(_line(link, snapshot) for link in links),
        leftover=snapshot.leftover,
        is_head_behind=head is not None and head.number < len(links),
    )


@dataclass(frozen=True)
class _Link:
    """A line whose hash fits its content."""

    number: int
    previous: str
    hash: str
    entry: Mapping[str, Any]


def _read(raw: bytes) -> _Link | str:
    """A line by itself, or what is wrong with it."""
    try:
        content = json.loads(raw)
        written = canonical(content) if isinstance(content, dict) else b""
    except (ValueError, RecursionError):
        return NO_ENTRY
    if written != raw:
        return NO_ENTRY
    found = content.pop("hash", None)
    if found != content_hash(content):
        return EDITED
    number, previous = content.pop("number", None), content.pop("previous", None)
    if type(number) is not int or not isinstance(previous, str):
        return NO_ENTRY
    return _Link(number, previous, found, content)


def _links(snapshot: Snapshot) -> Iterator[_Link]:
    """The lines of a ledger, each of which follows the one before."""
    read = [_read(raw) for raw in snapshot.lines]
    previous = FIRST
    for position, link in enumerate(read, 1):
        if isinstance(link, str):
            raise snapshot.damage(position, link)
        if link.number != position:
            raise snapshot.damage(position, _misplaced(link, position, read))
        if link.previous != previous:
            raise snapshot.damage(*_rewritten(link, position, read, snapshot))
        previous = link.hash
        yield link


def _misplaced(link: _Link, position: int, read: Sequence[_Link | str]) -> str:
    """Why a line has another number than its place."""
    numbers = [one.number if isinstance(one, _Link) else None for one in read]
    others = [place for place, number in enumerate(numbers, 1) if number == link.number]
    others.remove(position)
    if others:
        return f"was inserted: it holds entry {link.number}, as line {others[0]} does"
    if position in numbers:
        at = numbers.index(position) + 1
        return f"was moved: it holds entry {link.number}, and entry {position} is in line {at}"
    return f"was removed: entry {link.number} stands where entry {position} was"


def _rewritten(
    link: _Link, position: int, read: Sequence[_Link | str], snapshot: Snapshot
) -> tuple[int, str]:
    """Which of two neighbours that are right by themselves was written anew.

    The second one was not, if what comes after it, a line or the head, names it.
    """
    after = read[position] if position < len(read) else None
    named = after.previous if isinstance(after, _Link) else _named_by_head(snapshot, position)
    if position > 1 and named == link.hash:
        return position - 1, f"was edited and given a new hash: line {position} names another one"
    return position, "was edited and given a new hash: it does not name the line before"


def _named_by_head(snapshot: Snapshot, position: int) -> str | None:
    head = _head(snapshot)
    return head.hash if head and head.number == position else None


def _head(snapshot: Snapshot) -> Head | None:
    try:
        return None if snapshot.head is None else Head.model_validate_json(snapshot.head)
    except ValidationError as error:
        raise LedgerError(
            f"the head of {snapshot.path} was edited; bring it back from a copy"
        ) from error


def _check_end(links: Sequence[_Link], head: Head, snapshot: Snapshot) -> None:
    """Checks that the ledger ends where its head says, or one line later."""
    count = len(links)
    if head.number > count:
        fate = "was cut or edited" if snapshot.leftover else "was removed"
        what = f"{fate}: the head names entry {head.number}, and the ledger ends before it"
        raise snapshot.damage(count + 1, what)
    if head.number and links[head.number - 1].hash != head.hash:
        what = "was edited and given a new hash, or one before it: the head names another one"
        raise snapshot.damage(head.number, what)
    if head.number < count - 1:
        raise snapshot.damage(head.number + 1, "was inserted: the head ends before it")


def _line(link: _Link, snapshot: Snapshot) -> Line:
    try:
        entry = ENTRY.validate_python(link.entry)
    except ValidationError as error:
        raise LedgerError(
            f"{snapshot.path}: the entry of line {link.number} is none that this version of the "
            f"project knows; a newer one may have written it: {error.errors()[0]['msg']}",
            line=link.number,
        ) from error
    return Line(link.number, link.previous, link.hash, entry)
