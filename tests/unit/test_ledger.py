"""The ledger: entries are read back as they were, and none is there twice."""

import json
from pathlib import Path

import pytest

from serving.release.ledger.chain import FIRST, LedgerError
from serving.release.ledger.entries import Entry
from serving.release.ledger.ledger import Ledger
from tests.unit.ledger_cases import (
    delivery,
    hex_of,
    history,
    promotion,
    release,
    rollback,
    written,
)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger" / "ledger.jsonl")


def test_entries_of_all_kinds_are_read_back_as_they_were(ledger: Ledger) -> None:
    for entry in history():
        ledger.append(entry)
    lines = ledger.read()
    assert [line.entry for line in lines] == history()
    assert [line.number for line in lines] == list(range(1, 9))
    assert [line.previous for line in lines] == [FIRST, *(line.hash for line in lines[:-1])]


def test_there_is_no_ledger_before_the_first_entry(ledger: Ledger) -> None:
    assert ledger.read() == []
    assert not ledger.path.parent.exists()


def test_a_line_is_canonical_json_with_the_hash_of_the_rest(ledger: Ledger) -> None:
    ledger.append(rollback(1, from_version=2))
    (raw,) = ledger.path.read_bytes().splitlines()
    assert "Müller".encode() in raw
    content = json.loads(raw)
    found = content.pop("hash")
    rest = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert found == hex_of(rest)


def test_a_ledger_that_was_removed_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    ledger = written(tmp_path / "ledger.jsonl", [promotion(1)])
    ledger.path.unlink()
    with pytest.raises(LedgerError, match="line 1 was removed: the head names entry 1"):
        ledger.read()


def test_nothing_is_added_to_a_damaged_ledger(tmp_path: Path) -> None:
    ledger = written(tmp_path / "ledger.jsonl", [promotion(1), promotion(2)])
    damaged = ledger.path.read_bytes().replace(b"anna", b"otto", 1)
    ledger.path.write_bytes(damaged)
    with pytest.raises(LedgerError, match="line 1 was edited: its hash does not fit"):
        ledger.append(promotion(3))
    assert ledger.path.read_bytes() == damaged


@pytest.mark.parametrize(
    ("earlier", "entry"),
    [
        ([promotion(1), promotion(2)], promotion(1)),
        ([release(1), release(2)], release(1, minutes=9, who="retry@host")),
        ([delivery(1), delivery(2), delivery(1, customer="bolt")], delivery(2, minutes=9)),
        ([rollback(1, from_version=2), release(1)], rollback(1, from_version=2)),
    ],
)
def test_what_is_done_again_is_not_recorded_twice(
    earlier: list[Entry], entry: Entry, ledger: Ledger
) -> None:
    written(ledger.path, earlier)
    assert ledger.append_once(entry) is None
    assert [line.entry for line in ledger.read()] == earlier


@pytest.mark.parametrize(
    ("earlier", "entry"),
    [
        ([promotion(1), promotion(2)], promotion(1, minutes=9)),
        ([release(1)], release(1, image_digest=release(2).image_digest)),
        ([release(1)], release(1, key={"fingerprint": hex_of("other"), "development": False})),
        ([delivery(1), delivery(2)], delivery(1, minutes=9)),
        ([delivery(1)], delivery(1, customer="bolt")),
        ([delivery(1)], delivery(1, channel="directory")),
        ([rollback(1, from_version=2)], rollback(1, from_version=2, minutes=9)),
    ],
)
def test_what_is_done_anew_is_recorded(earlier: list[Entry], entry: Entry, ledger: Ledger) -> None:
    written(ledger.path, earlier)
    assert ledger.append_once(entry) is not None
    assert [line.entry for line in ledger.read()] == [*earlier, entry]


def test_times_are_kept_in_utc() -> None:
    entry = promotion(1, when="2026-01-02T05:00:00+02:00")
    assert entry.model_dump(mode="json")["when"] == "2026-01-02T03:00:00Z"


@pytest.mark.parametrize(
    "wrong",
    [
        {"image_digest": "sha256:" + "A" * 64},
        {"image_digest": "0" * 64},
        {"model_digest": "0" * 64 + "\n"},
        {"when": "2026-01-02T05:00:00"},
        {"golden_requests": -1},
        {"who": ""},
        {"note": "more"},
    ],
)
def test_an_entry_with_a_wrong_field_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        release(1, **wrong)
