"""Whatever somebody does to a line of the ledger is found, and the first changed line named."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serving.release.ledger.chain import FIRST, LedgerError, Snapshot, canonical, content_hash
from serving.release.ledger.checking import check
from tests.unit.ledger_cases import LINES, history, raw_lines

ledgers = st.integers(1, 8)
"""How many entries a ledger has."""


def _head_of(lines: Sequence[bytes]) -> bytes:
    return canonical({"number": len(lines), "hash": json.loads(lines[-1])["hash"]})


def _found(lines: Sequence[bytes], changed: bytes) -> LedgerError:
    """What is told of a ledger that somebody has changed, its head not."""
    with pytest.raises(LedgerError) as caught:
        check(Snapshot(Path("ledger.jsonl"), changed, _head_of(lines)))
    return caught.value


def _first_difference(lines: Sequence[bytes], changed: Sequence[bytes]) -> int:
    for number, (one, other) in enumerate(zip(lines, changed, strict=False), 1):
        if one != other:
            return number
    return min(len(lines), len(changed)) + 1


def _rewritten(line: bytes, **fields: Any) -> bytes:
    """A line with other content and the hash that fits it."""
    content = json.loads(line) | fields
    del content["hash"]
    return canonical({**content, "hash": content_hash(content)}) + b"\n"


@given(ledgers, st.data())
def test_any_edited_byte_is_found_and_its_line_named(count: int, data: st.DataObject) -> None:
    lines = LINES[:count]
    content = bytearray(b"".join(lines))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    named = _found(lines, bytes(content)).line
    assert named == _first_difference(lines, bytes(content).splitlines(keepends=True))


@pytest.mark.parametrize("count", [1, 8])
def test_an_edited_byte_anywhere_in_a_line_is_found(count: int) -> None:
    before, line = b"".join(LINES[: count - 1]), LINES[count - 1]
    for place in range(len(line)):
        for other in {ord("\n"), ord(" "), ord("0"), line[place] ^ 1} - {line[place]}:
            changed = before + line[:place] + bytes([other]) + line[place + 1 :]
            assert _found(LINES[:count], changed).line == count, place


@given(ledgers, st.data())
def test_any_removed_line_is_found_the_last_one_too(count: int, data: st.DataObject) -> None:
    lines, removed = LINES[:count], data.draw(st.integers(1, count))
    error = _found(lines, b"".join(lines[: removed - 1] + lines[removed:]))
    assert error.line == removed
    assert f"line {removed} was removed" in str(error)


@given(ledgers, st.data())
def test_any_cut_is_found(count: int, data: st.DataObject) -> None:
    lines = LINES[:count]
    content = b"".join(lines)
    kept = content[: data.draw(st.integers(0, len(content) - 1))]
    assert _found(lines, kept).line == kept.count(b"\n") + 1


@given(st.integers(2, 8), st.data())
def test_any_two_lines_that_changed_places_are_found(count: int, data: st.DataObject) -> None:
    lines = LINES[:count]
    one, other = sorted(data.draw(st.sets(st.integers(1, count), min_size=2, max_size=2)))
    changed = list(lines)
    changed[one - 1], changed[other - 1] = lines[other - 1], lines[one - 1]
    error = _found(lines, b"".join(changed))
    assert error.line == one
    assert f"was moved: it holds entry {other}, and entry {one} is in line {other}" in str(error)


@given(ledgers, st.data())
def test_any_line_that_was_copied_in_is_found(count: int, data: st.DataObject) -> None:
    lines = LINES[:count]
    copied, place = data.draw(st.integers(1, count)), data.draw(st.integers(0, count))
    changed = [*lines[:place], lines[copied - 1], *lines[place:]]
    error = _found(lines, b"".join(changed))
    assert error.line == _first_difference(lines, changed)
    assert f"was inserted: it holds entry {copied}" in str(error)


@given(ledgers, st.data(), st.binary(max_size=20))
@example(count=1, data=None, text=b"[" * 20_000)
def test_any_other_line_that_was_put_in_is_found(
    count: int, data: st.DataObject | None, text: bytes
) -> None:
    lines = LINES[:count]
    place = data.draw(st.integers(0, count)) if data else 0
    changed = [*lines[:place], text.replace(b"\n", b"") + b"\n", *lines[place:]]
    assert _found(lines, b"".join(changed)).line == place + 1


@given(ledgers, st.data())
def test_a_line_with_another_content_and_the_hash_that_fits_it_is_found(
    count: int, data: st.DataObject
) -> None:
    lines, edited = list(LINES[:count]), data.draw(st.integers(1, count))
    changed = [*lines]
    changed[edited - 1] = _rewritten(lines[edited - 1], model="oven")
    error = _found(lines, b"".join(changed))
    assert error.line == edited
    assert "was edited and given a new hash" in str(error)


@given(ledgers, st.data())
def test_lines_that_were_all_written_anew_do_not_fit_the_head(
    count: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(1, count))
    entries = history()[:count]
    entries[first - 1] = entries[first - 1].model_copy(update={"who": "mallory"})
    error = _found(LINES[:count], b"".join(raw_lines(entries)))
    assert error.line == count
    assert "or one before it: the head names another one" in str(error)


@pytest.mark.parametrize(
    "settings",
    [{"separators": (", ", ": ")}, {"sort_keys": False}, {"ensure_ascii": True}],
    ids=str,
)
def test_a_line_with_the_same_content_in_another_form_is_found(settings: dict[str, Any]) -> None:
    form = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False} | settings
    content = dict(reversed(json.loads(LINES[7]).items()))
    changed = json.dumps(content, **form).encode() + b"\n"
    assert changed != LINES[7]
    assert _found(LINES, b"".join(LINES[:7]) + changed).line == 8


@pytest.mark.parametrize("number", ["1", True, [1], None])
def test_a_line_whose_number_is_none_is_found(number: object) -> None:
    error = _found(LINES, _rewritten(LINES[0], number=number) + b"".join(LINES[1:]))
    assert "line 1 was edited, inserted or cut: it is not an entry" in str(error)


def test_more_than_one_line_after_the_head_was_put_in() -> None:
    with pytest.raises(LedgerError, match="line 7 was inserted: the head ends before it"):
        check(Snapshot(Path("ledger.jsonl"), b"".join(LINES), _head_of(LINES[:6])))


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (None, "the head of .* was removed"),
        (b"", "the head of .* was edited"),
        (b'{"number":-1,"hash":""}', "the head of .* was edited"),
        (canonical({"number": 8, "hash": FIRST}), "line 8 was edited and given a new hash, or"),
    ],
)
def test_a_head_that_was_removed_or_edited_is_found(head: bytes | None, says: str) -> None:
    with pytest.raises(LedgerError, match=says):
        check(Snapshot(Path("ledger.jsonl"), b"".join(LINES), head))


def test_an_entry_of_a_newer_version_is_not_called_damage() -> None:
    line = _rewritten(LINES[0], event="recall")
    with pytest.raises(LedgerError, match="line 1 is none that this version .* knows"):
        check(Snapshot(Path("ledger.jsonl"), line, _head_of([line])))
