"""The directory of a backup has its name once it is complete, and is removed if it never is."""

import fcntl
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from operations.backup.manifest import BackupError
from operations.backup.place import new_name, remove_leftovers, require_space, unfinished


def test_its_name_says_what_and_when() -> None:
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert new_name("ml-assets", when) == "ml-assets-20260102T030405Z"


def test_it_has_its_name_when_it_is_complete_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    with unfinished(tmp_path / "backups", "a") as place:
        assert place.name == "a.partial"
        (place / "file").touch()
    complete = tmp_path / "backups" / "a"
    assert [one.name for one in complete.iterdir()] == ["file"]
    assert stat.S_IMODE(complete.stat().st_mode) == 0o700


@pytest.mark.parametrize("error", [BackupError("no"), KeyboardInterrupt()])
def test_nothing_is_left_of_one_that_fails(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), unfinished(tmp_path, "a") as place:
        (place / "file").touch()
        raise error
    assert list(tmp_path.iterdir()) == []


def test_one_of_that_name_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(BackupError, match="is there already"), unfinished(tmp_path, "a"):
        pass
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_what_a_killed_one_left_is_removed_and_what_another_is_making_stays(tmp_path: Path) -> None:
    for name in ("killed.partial", "busy.partial", "complete"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".lock").touch()
    with (tmp_path / "busy.partial" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        remove_leftovers(tmp_path)
    assert {one.name for one in tmp_path.iterdir()} == {"busy.partial", "complete"}


def test_another_backup_removes_none_that_is_about_to_be_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda _: remove_leftovers(tmp_path))
    with unfinished(tmp_path, "a") as place:
        (place / "file").touch()
    assert (tmp_path / "a" / "file").exists()


def test_all_of_it_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    monkeypatch.setattr("os.fsync", lambda file: synced.add(os.fstat(file).st_ino))
    with unfinished(tmp_path, "a") as place:
        (place / "volumes").mkdir()
        (place / "manifest.json").touch()
    written = (tmp_path / "a", *(tmp_path / "a").iterdir())
    assert synced >= {path.stat().st_ino for path in written}


def test_one_that_does_not_fit_is_not_begun(tmp_path: Path) -> None:
    require_space(tmp_path / "not" / "yet", 0)
    with pytest.raises(BackupError, match="make backup TO=/path"):
        require_space(tmp_path / "not" / "yet", 1 << 60)
