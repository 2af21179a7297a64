"""A backup that is not as it was made, or does not fit, is refused before anything is touched."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from operations.backup.manifest import BackupError, Manifest, StoredFile, hash_of
from operations.inside.pack import Packing, pack
from operations.restore.verifying import check_fits, verify
from tests.unit.operations.cases import make_project

BLANK = Manifest(
    created="2026-01-01T00:00:00+00:00",
    platform="ml-assets",
    project_version="0.1.0",
    git_commit="",
    database="postgres",
    files=(),
)


def stored(directory: Path, path: str, kind: str, of: str) -> StoredFile:
    file = directory / path
    return StoredFile(path, kind, of, file.stat().st_size, hash_of(file))


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup of a small volume and of a database."""
    directory, volume = tmp_path / "ml-assets-20260101T000000Z", tmp_path / "volume"
    for made in (directory / "databases", directory / "volumes", volume):
        made.mkdir(parents=True)
    (volume / "model.ubj").write_bytes(os.urandom(5000))
    with (directory / "volumes" / "mlflow.tar").open("wb") as file:
        pack(Packing(volume), file)
    (directory / "databases" / "mlflow.dump").write_bytes(b"PGDMP" + os.urandom(1000))
    sign(directory)
    return directory


def sign(directory: Path) -> None:
    """Writes the manifest of what is there."""
    dump = stored(directory, "databases/mlflow.dump", "dump", "mlflow")
    tar = stored(directory, "volumes/mlflow.tar", "tar", "mlflow")
    replace(BLANK, files=(dump, tar)).write(directory)


def test_a_backup_as_it_was_made_is_accepted(backup: Path) -> None:
    assert [one.path for one in verify(backup).files] == [
        "databases/mlflow.dump",
        "volumes/mlflow.tar",
    ]


def cut(backup: Path) -> None:
    os.truncate(backup / "volumes" / "mlflow.tar", 1000)


def flip(backup: Path) -> None:
    with (backup / "volumes" / "mlflow.tar").open("r+b") as file:
        file.seek(2000)
        byte = file.read(1)[0]
        file.seek(2000)
        file.write(bytes([byte ^ 1]))


def remove(backup: Path) -> None:
    (backup / "databases" / "mlflow.dump").unlink()


def add(backup: Path) -> None:
    (backup / "volumes" / "state.tar").touch()


def edit(backup: Path) -> None:
    path = backup / "manifest.json"
    path.write_text(path.read_text().replace('"ml-assets"', '"other"'))


def cut_manifest(backup: Path) -> None:
    os.truncate(backup / "manifest.json", 50)


def remove_manifest(backup: Path) -> None:
    (backup / "manifest.json").unlink()


def link(backup: Path) -> None:
    dump = backup / "databases" / "mlflow.dump"
    moved = dump.rename(backup.parent / "elsewhere")
    dump.symlink_to(moved)


def newer(backup: Path) -> None:
    path = backup / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))


def escape(backup: Path) -> None:
    """Someone who can make a manifest too."""
    with tarfile.open(backup / "volumes" / "mlflow.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("../../etc/evil"), io.BytesIO())
    sign(backup)


def no_dump(backup: Path) -> None:
    (backup / "databases" / "mlflow.dump").write_bytes(b"DROP DATABASE mlflow;")
    sign(backup)


def name_another_place(backup: Path) -> None:
    stranger = StoredFile("../../etc/passwd", "tar", "mlflow", 0, "")
    replace(BLANK, files=(stranger,)).write(backup)


def name_another_volume(backup: Path) -> None:
    tar = stored(backup, "volumes/mlflow.tar", "tar", "postgres")
    (backup / "databases" / "mlflow.dump").unlink()
    replace(BLANK, files=(tar,)).write(backup)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut, "mlflow.tar is damaged: it has 1000 bytes, and had "),
        (flip, "mlflow.tar is damaged: its content was changed"),
        (remove, "databases/mlflow.dump is missing"),
        (add, "was not in it when it was made: volumes/state.tar"),
        (edit, "manifest.json was changed since it was written"),
        (cut_manifest, "manifest.json can't be read"),
        (remove_manifest, "is no backup: it has no manifest.json"),
        (link, "mlflow.dump is damaged: it is a link"),
        (newer, "is of the format 2, and this version of the project reads up to 1"),
        (escape, "'../../etc/evil' leads out of its directory"),
        (no_dump, "mlflow.dump is no dump of PostgreSQL"),
        (name_another_place, "names '../../etc/passwd', which no backup has"),
        (name_another_volume, "is a tar of 'postgres', which no backup has"),
    ],
)
def test_a_damaged_backup_is_refused_in_a_sentence(
    backup: Path, damage: Callable[[Path], None], words: str
) -> None:
    damage(backup)
    with pytest.raises(BackupError) as refused:
        verify(backup)
    assert words in str(refused.value)


def forged(backup: Path, **changes: object) -> None:
    """A manifest with its own hash, as one writes it who has read our code; None leaves out."""
    path = backup / "manifest.json"
    told = {**json.loads(path.read_text()), **changes}
    told = {name: one for name, one in told.items() if one is not None and name != "sha256"}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    path.write_text(json.dumps({**told, "sha256": hashlib.sha256(text.encode()).hexdigest()}))


FILE = {"path": "volumes/mlflow.tar", "kind": "tar", "of": "mlflow", "bytes": 1, "sha256": "0"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"platform": None}, "where ['created', 'database', 'files', "),
        ({"colour": "red"}, "it has ['colour', 'created', "),
        ({"created": 7}, "created is 7"),
        ({"files": None}, "files is no list"),
        ({"files": {}}, "files is no list"),
        ({"files": ["volumes/mlflow.tar"]}, "it has volumes/mlflow.tar where ['bytes', "),
        ({"files": [{**FILE, "bytes": "many"}]}, "bytes is 'many'"),
        ({"files": [{**FILE, "bytes": True}]}, "bytes is True"),
        ({"files": [{**FILE, "owner": "me"}]}, "'owner', "),
    ],
)
def test_a_manifest_with_something_else_in_it_is_refused_in_a_sentence(
    backup: Path, changes: dict[str, object], words: str
) -> None:
    forged(backup, **changes)
    with pytest.raises(BackupError, match=r"manifest\.json is no manifest: ") as refused:
        verify(backup)
    assert words in str(refused.value)


@pytest.mark.parametrize("number", [None, "1", True])
def test_one_without_a_format_that_is_a_number_is_refused(backup: Path, number: object) -> None:
    forged(backup, format=number)
    with pytest.raises(BackupError, match="is of the format"):
        verify(backup)


def test_one_that_was_never_finished_is_refused(backup: Path) -> None:
    with pytest.raises(BackupError, match="was never finished"):
        verify(backup.rename(f"{backup}.partial"))


def test_a_directory_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="there is no backup at"):
        verify(tmp_path / "missing")


def test_one_of_the_same_database_and_an_older_version_fits(tmp_path: Path) -> None:
    project = make_project(tmp_path, "DATABASE=postgres\nPLATFORM_NAME=other\n")
    check_fits(replace(BLANK, project_version="0.0.9"), project)


def test_one_of_another_database_does_not(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="set DATABASE=postgres in .env"):
        check_fits(BLANK, make_project(tmp_path, "DATABASE=sqlite\n"))


def test_rows_are_not_restored_where_nothing_reads_them(tmp_path: Path) -> None:
    project = make_project(tmp_path, "DATABASE=postgres\nPOSTGRES_HOST=db.example.org\n")
    with pytest.raises(BackupError, match=r"on db\.example\.org \(POSTGRES_HOST\)"):
        check_fits(BLANK, project)


def test_one_of_a_later_version_does_not(tmp_path: Path) -> None:
    project = make_project(tmp_path, "DATABASE=postgres\n")
    with pytest.raises(BackupError, match=r"made by version 0\.10\.0, and this is 0\.1\.0"):
        check_fits(replace(BLANK, project_version="0.10.0"), project)
