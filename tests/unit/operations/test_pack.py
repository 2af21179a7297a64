"""A directory that others are writing is packed: each file, and each database, of one moment."""

import fcntl
import io
import os
import sqlite3
import stat
import tarfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from operations.inside import pack as packing_module
from operations.inside.pack import Packing, PackingError, pack
from operations.inside.unpack import unpack


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty directory."""
    made = tmp_path / "volume"
    made.mkdir()
    return made


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where copies are made."""
    made = tmp_path / "scratch"
    made.mkdir()
    made.chmod(0o777)
    return made


def packed(packing: Packing) -> tuple[io.BytesIO, list[str]]:
    output = io.BytesIO()
    notes = pack(packing, output)
    output.seek(0)
    return output, notes


def names(packing: Packing) -> list[str]:
    with tarfile.open(fileobj=packed(packing)[0]) as tar:
        return tar.getnames()


def unpacked(packing: Packing, to: Path) -> Path:
    to.mkdir()
    unpack(packed(packing)[0], to)
    return to


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def table(path: Path, *, mode: str = "wal") -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = sqlite3.connect(path, check_same_thread=False)
    made.execute(f"PRAGMA journal_mode={mode}")
    made.execute("CREATE TABLE entry (number INTEGER)")
    made.commit()
    return made


def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as opened:
        return int(opened.execute("SELECT count(*) FROM entry").fetchone()[0])


def test_files_come_back_with_content_rights_and_times(root: Path, tmp_path: Path) -> None:
    file = write(root / "a" / "b.txt", "content")
    file.chmod(0o640)
    os.utime(file, (1e9, 1e9))
    (root / "a").chmod(0o2775)
    (root / "empty").mkdir()
    (root / "link").symlink_to("a/b.txt")
    back = unpacked(Packing(root), tmp_path / "back")
    assert (back / "a" / "b.txt").read_text() == "content"
    assert (back / "link").readlink() == Path("a/b.txt")
    assert stat.S_IMODE((back / "a" / "b.txt").stat().st_mode) == 0o640
    assert stat.S_IMODE((back / "a").stat().st_mode) == 0o2775
    assert (back / "a" / "b.txt").stat().st_mtime == 1e9
    assert (back / "empty").is_dir()


def test_two_names_of_a_file_come_back_as_two_files(root: Path, tmp_path: Path) -> None:
    (root / "two").hardlink_to(write(root / "one", "content"))
    back = unpacked(Packing(root), tmp_path / "back")
    assert [(back / name).read_text() for name in ("one", "two")] == ["content", "content"]


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_database_is_copied_with_what_was_committed_and_no_more(
    root: Path, scratch: Path, tmp_path: Path, mode: str
) -> None:
    with closing(table(root / "rows" / "a.db", mode=mode)) as opened:
        opened.execute("INSERT INTO entry VALUES (1)")
        opened.commit()
        opened.execute("INSERT INTO entry VALUES (2)")
        asked = Packing(root, databases=("rows",), wants_databases=True, scratch=scratch)
        back = unpacked(asked, tmp_path / "back")
    assert count(back / "rows" / "a.db") == 1
    assert list(scratch.iterdir()) == []


def test_a_database_that_is_being_written_is_copied_between_two_transactions(
    root: Path, scratch: Path, tmp_path: Path
) -> None:
    stop = threading.Event()

    def insert_pairs(opened: sqlite3.Connection) -> None:
        while not stop.is_set():
            opened.executemany("INSERT INTO entry VALUES (?)", [(1,), (2,)])
            opened.commit()

    with closing(table(root / "a.db")) as opened:
        writer = threading.Thread(target=insert_pairs, args=[opened])
        writer.start()
        asked = Packing(root, databases=("a.db",), wants_databases=True, scratch=scratch)
        try:
            counts = [
                count(unpacked(asked, tmp_path / f"{number}") / "a.db") for number in range(5)
            ]
        finally:
            stop.set()
            writer.join()
    assert counts[-1] > 0
    assert [number % 2 for number in counts] == [0] * 5


def test_databases_and_the_rest_are_told_apart(root: Path, scratch: Path) -> None:
    with closing(table(root / "rows" / "a.db")) as opened:
        opened.execute("INSERT INTO entry VALUES (1)")
        write(root / "rows" / "notes.txt")
        write(root / "artifacts" / "held.db", "SQLite format 3\0 of a user")
        databases = Packing(root, ("rows",), wants_databases=True, scratch=scratch)
        assert (root / "rows" / "a.db-wal").exists()
        assert names(databases) == ["rows/a.db"]
        assert set(names(Packing(root, ("rows",)))) == {
            *(".", "rows", "rows/notes.txt", "artifacts", "artifacts/held.db")
        }


def test_a_damaged_database_is_not_backed_up(root: Path, scratch: Path) -> None:
    with closing(table(root / "a.db", mode="delete")) as opened:
        opened.executemany("INSERT INTO entry VALUES (?)", [(one,) for one in range(5000)])
        opened.commit()
    with (root / "a.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    asked = Packing(root, ("a.db",), wants_databases=True, scratch=scratch)
    with pytest.raises(PackingError, match=r"a\.db"):
        packed(asked)


def test_what_comes_first_comes_before_its_brothers(root: Path) -> None:
    write(root / "v2" / "blobs" / "b")
    write(root / "v2" / "repositories" / "link")
    found = names(Packing(root, first=("v2/repositories",)))
    assert found.index("v2/repositories/link") < found.index("v2/blobs/b")
    assert len(found) == len(set(found))


def test_what_nobody_misses_is_left_out(root: Path) -> None:
    for path in ("ledger/a", "releases/.work.1/b", "releases/c", "releases/.d~"):
        write(root / path)
    found = names(Packing(root, leave_out=("ledger", "ledger/*", "*/.work.*", "*~")))
    assert set(found) == {".", "releases", "releases/c"}


def test_one_place_alone_is_packed_if_that_is_asked(root: Path) -> None:
    write(root / "ledger" / "a")
    write(root / "ledgers")
    assert names(Packing(root, only=("ledger",))) == ["ledger", "ledger/a"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "a/../../outside", ".."])
def test_a_link_that_leads_out_is_left_out_and_told(root: Path, target: str) -> None:
    (root / "link").symlink_to(target)
    os.mkfifo(root / "pipe")
    output, notes = packed(Packing(root))
    with tarfile.open(fileobj=output) as tar:
        assert tar.getnames() == ["."]
    assert [note.split(":")[0] for note in notes] == ["left out link", "left out pipe"]


class Acting(io.BytesIO):
    """An output that does something when it is first written to."""

    def __init__(self, action: threading.Event | None = None) -> None:
        super().__init__()
        self.paths: list[Path] = []
        self.cut: list[Path] = []

    def write(self, data: object) -> int:
        while self.paths:
            self.paths.pop().unlink()
        while self.cut:
            os.truncate(self.cut.pop(), 0)
        return super().write(data)  # type: ignore[arg-type]


def test_a_file_that_goes_meanwhile_is_left_out(root: Path) -> None:
    write(root / "a", "x" * 100_000)
    output = Acting()
    output.paths = [write(root / "b")]
    pack(Packing(root), output)
    output.seek(0)
    with tarfile.open(fileobj=output) as tar:
        assert tar.getnames() == [".", "a"]


def test_a_database_that_goes_meanwhile_is_left_out_and_not_made_anew(
    root: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(root / "a.db", mode="delete").close()

    @contextmanager
    def too_late(path: Path) -> Iterator[None]:
        path.unlink()
        yield

    monkeypatch.setattr(packing_module, "_as_owner", too_late)
    assert names(Packing(root, ("a.db",), wants_databases=True, scratch=scratch)) == []
    assert list(root.iterdir()) == []


def test_a_large_file_that_is_cut_meanwhile_is_an_error(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing_module, "IN_MEMORY", 0)
    output = Acting()
    output.cut = [write(root / "a", "x" * 10_000_000)]
    with pytest.raises(PackingError, match="a was cut while it was read"):
        pack(Packing(root), output)


def test_files_under_a_lock_are_read_when_its_holder_is_done(root: Path) -> None:
    lock, head = write(root / "ledger.lock", ""), write(root / "head", "1")
    done: list[io.BytesIO] = []
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        packer = threading.Thread(
            target=lambda: done.append(packed(Packing(root, lock="ledger.lock"))[0])
        )
        packer.start()
        packer.join(timeout=0.5)
        head.write_text("2")
    packer.join()
    with tarfile.open(fileobj=done[0]) as tar:
        content = tar.extractfile("head")
        assert content
        assert content.read() == b"2"
