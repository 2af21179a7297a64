"""Compares a service's answers with the ones that the evaluated model gave, value by value.

It needs nothing but Python, and runs by itself too: every release bundle has a copy, with which
customers ask their own service the golden requests again.
"""

import gzip
import heapq
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from http.client import OK, HTTPConnection, HTTPException
from itertools import zip_longest
from typing import Any, TypeGuard

HEADER = ("request", "field", "entity", "row", "step", "expected", "got", "difference")
WIDTH = 60
TOLERANCE = 1e-6
"""How far a number may be off, relative to an expected one that is larger than 1."""
WORST_ROWS = 10


class Missing(Enum):
    """What stands beside a value that only one of two answers has."""

    NOTHING = "nothing"

    def __repr__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Place:
    """Where a value is.

    Attributes:
        request: Number of the request, from 0.
        path: The way to it in the answer, such as ``("predictions", 0, "values", 3)``.
        entity: Whose forecast it is part of.
    """

    request: int
    path: tuple[str | int, ...] = ()
    entity: str | None = None

    def below(self, key: str | int) -> "Place":
        """The place of what an object has under a name, or a list at a position."""
        return replace(self, path=(*self.path, key))

    @property
    def cells(self) -> tuple[str, ...]:
        """Request, field, entity, row and step, as text; steps count from 1."""
        field = ".".join(part for part in self.path if isinstance(part, str))
        row, step = [*(part for part in self.path if isinstance(part, int)), None, None][:2]
        steps = "" if step is None else str(step + 1)
        rows = "" if row is None else str(row)
        return (str(self.request), field, self.entity or "", rows, steps)


@dataclass(frozen=True)
class Compared:
    """A value of an answer beside the one that is expected there.

    Attributes:
        place: Where it is.
        expected: What it must be.
        got: What it is.
        difference: How far apart two numbers are, relative to an expected one that is larger than
            1; infinite where one is not finite, and for all else that is not the same.
    """

    place: Place
    expected: object
    got: object
    difference: float

    @property
    def cells(self) -> tuple[str, ...]:
        """Its row in a table, below `HEADER`."""
        values = (_short(self.expected), _short(self.got), f"{self.difference:.3g}")
        return self.place.cells + values


def compare(place: Place, expected: object, got: object) -> Iterator[Compared]:
    """All values of two answers side by side; what only one of them has is beside `Missing`.

    Args:
        place: Where the two are.
        expected: What the evaluated model answered, as JSON.
        got: What the service answers, as JSON.
    """
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        entity = expected.get("entity", place.entity)
        for key in {**expected, **got}:
            wanted, found = (one.get(key, Missing.NOTHING) for one in (expected, got))
            yield from compare(replace(place, entity=entity).below(key), wanted, found)
    elif isinstance(expected, list) and isinstance(got, list):
        pairs = zip_longest(expected, got, fillvalue=Missing.NOTHING)
        for position, (wanted, found) in enumerate(pairs):
            yield from compare(place.below(position), wanted, found)
    else:
        yield Compared(place, expected, got, _difference(expected, got))


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value of JSON is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def table(compared: Iterable[Compared], *, rows: int) -> str:
    """A text table of the values that differ most, the worst first."""
    worst = heapq.nlargest(rows, compared, key=lambda one: one.difference)
    cells = [HEADER, *(one.cells for one in worst)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def _difference(expected: object, got: object) -> float:
    if is_number(expected) and is_number(got):
        found = abs(expected - got) / max(1.0, abs(expected))
        return math.inf if math.isnan(found) else found
    is_same = type(expected) is type(got) and expected == got
    return 0.0 if is_same else math.inf


def _short(value: object) -> str:
    text = f"{value:.9g}" if is_number(value) else repr(value)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."


def main(arguments: Sequence[str]) -> int:
    """Asks the service of this machine every golden request, and compares the answers.

    Args:
        arguments: Name and version of the model; the gzipped lines of golden requests come from
            standard input.

    Returns:
        The exit status: 0, or 1 if an answer differs.

    Raises:
        SystemExit: With a sentence and status 1: the service does not answer, or not with JSON, or
            refuses a request.
    """
    name, version = arguments
    lines = gzip.decompress(sys.stdin.buffer.read()).splitlines()
    model = {"name": name, "version": version}
    compared = [*_asked(map(json.loads, lines), model=model)]
    wrong = [one for one in compared if one.difference > TOLERANCE]
    largest = max((one.difference for one in compared), default=0.0)
    say = sys.stdout.write
    say(f"{len(lines)} golden requests asked, {len(compared)} values compared, ")
    say(f"largest difference {largest:.3g} (up to {TOLERANCE:g} is allowed)\n")
    if wrong:
        say(f"{len(wrong)} values differ; the worst:\n{table(wrong, rows=WORST_ROWS)}\n")
    return 1 if wrong or not lines else 0


def _asked(golden: Iterable[dict[str, Any]], *, model: Mapping[str, str]) -> Iterator[Compared]:
    connection = HTTPConnection("127.0.0.1", int(os.environ.get("PORT") or 8000), timeout=60)
    for number, one in enumerate(golden):
        try:
            status, got = _reply(connection, {"data": one["data"]})
        except (OSError, HTTPException, ValueError) as error:
            sys.exit(f"request {number} is not answered with JSON: {error!r}")
        if status != OK:
            sys.exit(f"request {number} is answered with status {status}: {json.dumps(got)}")
        parts = ("predictions", "probabilities")
        answer = {part: one[part] for part in parts if one[part] is not None}
        yield from compare(Place(number), {"model": model, **answer}, got)


def _reply(connection: HTTPConnection, request: Mapping[str, Any]) -> tuple[int, object]:
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/predict", json.dumps(request), headers)
    reply = connection.getresponse()
    return reply.status, json.loads(reply.read(), parse_int=float)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
