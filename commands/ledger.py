"""Shows the ledger, or verifies it: `make ledger`, `make ledger-verify`."""

import argparse
import json
from collections.abc import Iterable, Sequence
from functools import singledispatch
from typing import Any

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from commands.console import RESULTS, say
from ml_assets.settings import Settings
from serving.release.ledger.chain import Chain, Line
from serving.release.ledger.entries import Delivery, Entry, Promotion, Release, Rollback
from serving.release.ledger.ledger import Ledger

EMPTY = "there is no ledger yet: the first promotion that is released on the platform writes it"
COLUMNS = ("", "when (UTC)", "event", "model", "who", "what")
DIGITS = 12
"""How many digits of a digest people are shown."""


def main(arguments: Sequence[str]) -> None:
    """Prints every entry, or whether the ledger is as it was written."""
    parser = argparse.ArgumentParser(prog="make ledger", description=__doc__)
    parser.add_argument("--verify", action="store_true", help="say only whether it is intact")
    parser.add_argument("--line", help="a line that must be there, as release.json tells it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    chain = ledger().verify()
    if options.line is not None:
        chain.check_holds(options.line)
    if options.json:
        say(
            json.dumps(_verdict(chain) if options.verify else [_fields(one) for one in chain.lines])
        )
    elif not chain.lines:
        say(EMPTY)
    elif options.verify:
        _print_verdict(chain)
    else:
        RESULTS.print(table(COLUMNS, map(_row, chain.lines)))


def ledger() -> Ledger:
    """The ledger of the state directory."""
    return Ledger.of(Settings.from_environment().home)


def short(digest: str) -> str:
    """A digest as people are shown it, without the name of its algorithm."""
    return digest.removeprefix("sha256:")[:DIGITS]


def minute(entry: Entry) -> str:
    """When it was, as people are shown it."""
    return f"{entry.when:%F %H:%M}"


def plain(text: str) -> str:
    """Text in one line, without what would move a terminal's cursor."""
    shown = "".join(one if one.isprintable() else " " for one in text)
    return " ".join(shown.split())


@singledispatch
def told(entry: Entry) -> str:
    """What an entry says beside its model, time and user."""
    raise NotImplementedError(type(entry))


@told.register
def _(entry: Promotion) -> str:
    before = f"after v{entry.from_version}" if entry.from_version else "the first one"
    return f"{before}; data {short(entry.data_version)}"


@told.register
def _(entry: Release) -> str:
    key = " with a key for development" if entry.key.development else ""
    proof = f"{entry.golden_requests} golden requests proved"
    return f"{short(entry.image_digest)} as {plain(entry.bundle.name)}, {proof}, signed{key}"


@told.register
def _(entry: Delivery) -> str:
    return f"to {plain(entry.customer)}: {plain(entry.destination)}"


@told.register
def _(entry: Rollback) -> str:
    return f"back from v{entry.from_version or 'nothing'}: {plain(entry.reason) or 'no reason'}"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table whose last two columns give way where the terminal is narrow; nothing is left out."""
    made = Table(box=SIMPLE, pad_edge=False)
    for column in columns:
        gives_way = column in columns[-2:]
        made.add_column(column, no_wrap=not gives_way, overflow="fold")
    for row in rows:
        made.add_row(*map(Text, row))
    return made


def _row(line: Line) -> list[str]:
    entry = line.entry
    name = f"{plain(entry.model)} v{entry.version}"
    return [str(line.number), minute(entry), entry.event, name, plain(entry.who), told(entry)]


def _print_verdict(chain: Chain) -> None:
    count = len(chain.lines)
    held = "1 entry" if count == 1 else f"{count} entries"
    say(f"the ledger is as it was written: {held}, the last is {chain.head.label}")
    for note in chain.notes:
        say(f"a writer is at work or was stopped: {note}; the next one puts that in order")


def _verdict(chain: Chain) -> dict[str, Any]:
    return {"entries": len(chain.lines), "hash": chain.head.hash, "notes": chain.notes}


def _fields(line: Line) -> dict[str, Any]:
    place = {"number": line.number, "previous": line.previous, "hash": line.hash}
    return place | line.entry.model_dump(mode="json")
