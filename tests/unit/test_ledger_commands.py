"""What `make ledger` and `make lineage` print, and with which status they end."""

import json
from pathlib import Path

import pytest
import yaml

from commands.__main__ import main
from serving.release.ledger.ledger import Ledger
from tests.conftest import ROOT
from tests.unit.ledger_cases import digest_of, hex_of, history, rollback, written

Output = pytest.CaptureFixture[str]


@pytest.fixture
def ledger(home: Path) -> Ledger:
    """A ledger in the state directory."""
    return written(Ledger.of(home).path, history())


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands.console.RESULTS._width", 200)


def test_the_ledger_is_shown_entry_by_entry(ledger: Ledger, capsys: Output) -> None:
    assert main(["ledger"]) == 0
    rows = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[3:-1]]
    assert [row[0] for row in rows] == list("12345678")
    for row, said in {
        0: "03:04   promotion   iris v1   anna@host   the first one; data 2836a57b3d5a",
        1: "as iris-v1.tar, 50 golden requests proved, signed with a key for development",
        2: "to acme: registry.example.org/acme/iris:v1",
        7: "rollback    iris v1   anna@host   back from v2: wrong on Mondays; Müller hat",
    }.items():
        assert said in rows[row][1]


def test_nothing_is_left_out_on_a_narrow_terminal(
    ledger: Ledger, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commands.console.RESULTS._width", 80)
    assert main(["ledger"]) == 0
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert "acme/iris:v1" in shown


def test_the_ledger_as_json_holds_every_field_and_the_chain(ledger: Ledger, capsys: Output) -> None:
    assert main(["ledger", "--json"]) == 0
    raw = ledger.path.read_text().splitlines()
    assert json.loads(capsys.readouterr().out) == [json.loads(line) for line in raw]


def test_a_valid_ledger_is_told_with_its_last_hash(ledger: Ledger, capsys: Output) -> None:
    last = ledger.read()[-1].hash
    assert main(["ledger", "--verify"]) == 0
    held = f"the ledger is as it was written: 8 entries, the last is 8:{last}\n"
    assert capsys.readouterr().out == held
    assert main(["ledger", "--verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"entries": 8, "hash": last, "notes": []}


def test_a_line_that_somebody_has_noted_is_looked_up(ledger: Ledger, capsys: Output) -> None:
    noted = ledger.read()[4]
    assert main(["ledger", "--verify", "--line", f"5:{noted.hash}"]) == 0
    assert "8 entries" in capsys.readouterr().out


@pytest.mark.parametrize("noted", ["5:{last}", "9:{last}", "{last}", "x:{last}", "8:", ""])
def test_a_line_that_the_ledger_does_not_have_is_told(
    noted: str, ledger: Ledger, capsys: Output
) -> None:
    line = noted.format(last=ledger.read()[-1].hash)
    assert main(["ledger", "--verify", f"--line={line}"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"the ledger has no line {line}, so that it is not the one" in printed.err


def test_what_a_killed_writer_has_left_is_told(ledger: Ledger, capsys: Output) -> None:
    with ledger.path.open("ab") as file:
        file.write(b'{"customer"')
    assert main(["ledger", "--verify"]) == 0
    assert "was stopped: 11 bytes after the last line are no entry" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [["ledger"], ["ledger", "--verify"], ["ledger", "--json"], ["lineage", "--data", "2836a57b"]],
)
def test_a_changed_ledger_ends_with_status_1_and_the_line(
    arguments: list[str], ledger: Ledger, capsys: Output
) -> None:
    ledger.path.write_bytes(ledger.path.read_bytes().replace(b"bolt", b"acme", 1))
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "ledger.jsonl: line 7 was edited: its hash does not fit its content" in printed.err


@pytest.mark.parametrize("arguments", [[], ["--verify"]])
def test_without_a_ledger_it_says_what_writes_one(
    arguments: list[str], home: Path, capsys: Output
) -> None:
    assert main(["ledger", *arguments]) == 0
    assert capsys.readouterr().out.startswith("there is no ledger yet: the first promotion that")
    assert not (home / "ledger").exists()


def test_lineage_without_a_ledger_is_an_error(home: Path, capsys: Output) -> None:
    assert main(["lineage", "--digest", "abcdef"]) == 1
    assert "there is no ledger yet" in capsys.readouterr().err


def test_lineage_of_an_image_names_its_origin_and_its_customers(
    ledger: Ledger, capsys: Output
) -> None:
    assert main(["lineage", "--digest", hex_of("id 2")[:8]]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"iris v2  {digest_of('image 2')}\n")
    for fact in (hex_of("data 2"), f"{2:032x}", f"{2:040x}", hex_of("lock"), digest_of("base")):
        assert f"  {fact}\n" in shown
    assert "  customers     acme, bolt\n" in shown
    assert "rollback to v1   anna@host   back from v2" in shown


def test_lineage_of_data_names_every_image_with_who_has_it(ledger: Ledger, capsys: Output) -> None:
    assert main(["lineage", "--data", hex_of("data 2")[:8]]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"data version {hex_of('data 2')}",
        "  customers     acme, bolt",
        "iris v2",
        f"  {digest_of('image 2')}",
        "    2026-01-02 03:16  acme  registry.example.org/acme/iris:v2",
        "    2026-01-02 03:17  bolt  registry.example.org/bolt/iris:v2",
    ]


def test_lineage_as_json_has_the_same_facts(ledger: Ledger, capsys: Output) -> None:
    assert main(["lineage", "--digest", digest_of("image 2"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["data_version"] == hex_of("data 2")
    assert [one["customer"] for one in found["deliveries"]] == ["acme", "bolt"]


@pytest.mark.parametrize("arguments", [[], ["--digest", "a", "--data", "b"]])
def test_lineage_takes_one_question(arguments: list[str], capsys: Output) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["lineage", *arguments])
    assert "usage: make lineage" in capsys.readouterr().err


def test_text_in_an_entry_cannot_move_the_cursor(ledger: Ledger, capsys: Output) -> None:
    ledger.append(rollback(1, from_version=2, reason="all is well\x1b[1A\r\x9b2K[red]"))
    assert main(["ledger"]) == 0
    shown = capsys.readouterr().out
    assert "all is well [1A 2K[red]" in shown
    assert not {"\x1b", "\r", "\x9b"} & set(shown)


def test_the_platforms_ledger_is_read_without_a_network_and_without_a_way_to_write() -> None:
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["ledger"]
    assert service["volumes"] == ["releases:/var/lib/ml_assets:ro"]
    assert (service["network_mode"], service["networks"]) == ("none", [])
    assert (service["environment"], service["depends_on"]) == ({}, {})
