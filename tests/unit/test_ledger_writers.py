"""The ledger stays valid, whoever is killed while writing, how many write, and whatever is full."""

import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from ml_assets.resources.files import UNFINISHED
from serving.release.ledger.chain import LedgerError
from serving.release.ledger.ledger import Ledger
from tests.conftest import ROOT
from tests.mounts import read_only, run_mounted, small_disk
from tests.unit.ledger_cases import LINES, history, promotion, written

PREAMBLE = """
import sys
from pathlib import Path
from ml_assets.core.errors import StateError
from serving.release.ledger.ledger import Ledger
from tests.unit.ledger_cases import promotion

ledger = Ledger(Path(sys.argv[1]))
"""
READ_ONLY = """
print(len(ledger.read()))
try:
    ledger.append(promotion(3))
except StateError as error:
    print(error)
"""
FULL_DISK = """
told = []
for version in range(1, 100):
    try:
        ledger.append(promotion(version, reason="x" * 900))
    except StateError as error:
        told.append(version)
        print(error)
        break
fits = told[0] - 1
chain = ledger.verify()
print([len(chain.lines) == fits > 5, chain.notes])
print(sorted(path.name for path in ledger.path.parent.iterdir()))
print(ledger.append_once(promotion(fits)))
for version in range(fits + 1, fits + 20):
    try:
        ledger.append(promotion(version, reason=""))
    except StateError:
        break
assert fits < len(ledger.read()) == version - 1
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger" / "ledger.jsonl")


@pytest.mark.parametrize("kept", [1, 200, len(LINES[1]) - 1])
def test_a_line_that_a_killed_writer_left_half_written_is_told_and_removed(
    kept: int, tmp_path: Path
) -> None:
    ledger = written(tmp_path / "ledger.jsonl", history()[:1])
    with ledger.path.open("ab") as file:
        file.write(LINES[1][:kept])
    chain = ledger.verify()
    assert (chain.entries, chain.notes) == (
        history()[:1],
        [f"{kept} bytes after the last line are no entry"],
    )
    ledger.append(history()[1])
    assert ledger.path.read_bytes() == b"".join(LINES[:2])
    assert ledger.verify().notes == []


def test_a_writer_killed_before_the_head_leaves_a_valid_ledger(tmp_path: Path) -> None:
    ledger = written(tmp_path / "ledger.jsonl", history()[:1])
    leftover = ledger.head.with_name(f".{ledger.head.name}.abc{UNFINISHED}")
    leftover.touch()
    with ledger.path.open("ab") as file:
        file.write(LINES[1])
    assert ledger.verify().notes == ["the head does not name the last line yet"]
    assert ledger.append_once(history()[1]) is None
    assert ledger.verify().notes == []
    assert not leftover.exists()


def test_a_writer_stopped_at_the_first_entry_leaves_a_valid_ledger(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(path: Path, line: bytes) -> None:
        path.write_bytes(line)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("serving.release.ledger.ledger._append", stopped)
        with pytest.raises(KeyboardInterrupt):
            ledger.append(history()[0])
    assert ledger.verify().notes == ["the head does not name the last line yet"]
    ledger.append(history()[1])
    assert [line.entry for line in ledger.read()] == history()[:2]


def test_a_reader_that_writers_overtake_reads_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.append(history()[0])
    read = Path.read_bytes

    def read_slowly(path: Path) -> bytes:
        content = read(path)
        monkeypatch.setattr(Path, "read_bytes", read)
        written(ledger.path, history()[1:3])
        return content

    monkeypatch.setattr(Path, "read_bytes", read_slowly)
    assert [line.entry for line in ledger.read()] == history()[:3]


def test_appends_of_several_processes_at_once_make_one_chain(ledger: Ledger) -> None:
    writers = [_writer(ledger.path, f"for n in range(25): add({who!r})") for who in "abcd"]
    _start(writers)
    seen = 0
    while any(writer.poll() is None for writer in writers):
        lines = len(ledger.read())
        assert lines >= seen
        seen = lines
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 4
    chain = ledger.verify()
    assert sorted(entry.who for entry in chain.entries) == sorted("abcd" * 25)
    assert chain.notes == []


def test_what_several_processes_add_once_is_there_once(ledger: Ledger) -> None:
    body = "for n in range(1, 21): ledger.append_once(promotion(n, minutes=n))"
    writers = [_writer(ledger.path, body) for _ in range(3)]
    _start(writers)
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 3
    assert [line.entry.version for line in ledger.read()] == list(range(1, 21))


def test_a_writer_that_is_killed_leaves_a_valid_ledger_with_all_it_has_told(
    ledger: Ledger,
) -> None:
    for _ in range(8):
        writer = _writer(ledger.path, "while True: print(add('a').number, flush=True)")
        _start([writer])
        assert writer.stdout is not None
        told = int(writer.stdout.readline())
        time.sleep(random.uniform(0, 0.05))  # noqa: S311
        writer.send_signal(signal.SIGKILL)
        told = [told, *map(int, writer.stdout.read().splitlines())][-1]
        writer.wait()
        assert len(ledger.read()) - told in {0, 1}
    ledger.append(promotion(1))
    assert ledger.verify().notes == []


def test_a_writer_that_is_held_up_by_another_one_gives_up_in_words(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.release.ledger.ledger.PATIENCE_SECONDS", 0.1)
    with ledger._locked(), pytest.raises(LedgerError, match="another process has been writing"):
        ledger.append(promotion(1))


def test_readers_see_a_directory_that_they_cannot_write(tmp_path: Path) -> None:
    ledger = written(tmp_path / "var" / "ledger.jsonl", history())
    done = run_mounted(read_only(tmp_path / "var"), PREAMBLE + READ_ONLY, ledger.path)
    read, refused = done.stdout.splitlines()
    assert read == "8"
    assert refused == f"{tmp_path}/var/ledger.jsonl can't be written: Read-only file system"


def test_a_full_disk_is_told_plainly_and_leaves_the_ledger_valid(tmp_path: Path) -> None:
    code = PREAMBLE + FULL_DISK
    done = run_mounted(small_disk(tmp_path, "32k"), code, tmp_path / "ledger.jsonl")
    assert done.returncode == 0, done.stderr
    message, valid, files, again = done.stdout.splitlines()
    assert re.match(rf"no space left to write {tmp_path}/ledger\.(head\.json|jsonl) ", message)
    assert "Nothing was changed" in message
    assert valid == "[True, []]"
    assert files == "['ledger.head.json', 'ledger.jsonl', 'ledger.lock']"
    assert again == "None"


def _writer(path: Path, body: str) -> subprocess.Popen[str]:
    """A process that writes a ledger, once it is told to."""
    code = f"""{PREAMBLE}
def add(who):
    return ledger.append(promotion(1, who=who))
print("ready", flush=True)
input()
{body}
"""
    return subprocess.Popen(
        [sys.executable, "-c", code, path],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _start(writers: Sequence[subprocess.Popen[str]]) -> None:
    """Lets writers begin at the same time."""
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
