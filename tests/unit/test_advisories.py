"""A database of advisories is read in all its forms, and a damaged one is never taken for less."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from serving.release.scan.advisories import AdvisoryError, read_advisories
from tests.unit.advisory_cases import advisory, affected, zipped

ABOUT = {("PyPI", "tornado-web")}
ONE = advisory(id="ONE", modified="2026-11-01T00:00:00Z")
TWO = advisory(affected("Debian:12", "openssl"), id="TWO", modified="2026-11-03T10:20:30.123456Z")
THREE = advisory(affected("Debian:12", "bash"), affected("Debian:11", "bash"), id="THREE")


def as_zip(place: Path) -> Path:
    return zipped(place / "all.zip", ONE, TWO)


def as_list(place: Path) -> Path:
    (place / "all.json").write_text(json.dumps([ONE, TWO]))
    return place / "all.json"


def as_directory(place: Path) -> Path:
    """One ecosystem as a zip, another as a file of its own."""
    (place / "database" / "Debian").mkdir(parents=True)
    zipped(place / "database" / "pypi.zip", ONE)
    (place / "database" / "Debian" / "TWO.json").write_text(json.dumps(TWO))
    (place / "database" / "notes.txt").write_text("not part of it")
    return place / "database"


@pytest.mark.parametrize("form", [as_zip, as_list, as_directory])
def test_a_database_is_read_in_each_of_its_forms(tmp_path: Path, form: Any) -> None:
    found = read_advisories(form(tmp_path), wanted=ABOUT)
    assert (found.count, found.ecosystems) == (2, {"Debian:12": 1, "PyPI": 1})
    assert [one.id for one in found.relevant] == ["ONE"]


def test_a_database_is_as_new_as_its_newest_entry(tmp_path: Path) -> None:
    database = zipped(tmp_path / "all.zip", ONE, TWO, ONE)
    newest = read_advisories(database, wanted=()).newest
    assert newest == datetime(2026, 11, 3, 10, 20, 30, 123456, tzinfo=UTC)


def test_an_entry_about_two_releases_counts_once_for_each(tmp_path: Path) -> None:
    found = read_advisories(zipped(tmp_path / "all.zip", THREE), wanted=())
    assert found.ecosystems == {"Debian:11": 1, "Debian:12": 1}


def test_names_of_python_packages_are_compared_in_one_spelling(tmp_path: Path) -> None:
    entry = advisory(affected(name="Tornado.Web"))
    assert read_advisories(zipped(tmp_path / "all.zip", entry), wanted=ABOUT).relevant


def test_entries_about_no_package_and_unknown_fields_are_left_alone(tmp_path: Path) -> None:
    entry = advisory({"ranges": [{"type": "GIT", "repo": "x", "events": []}]}, upstream=["CVE-1"])
    assert read_advisories(zipped(tmp_path / "all.zip", entry), wanted=ABOUT).count == 1


def without(entry: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != key}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[]", "holds no advisories"),
        ("{not json", "is no JSON"),
        (json.dumps(without(ONE, "modified")), "modified: Field required"),
        (json.dumps([ONE, without(ONE, "id")]), "id: Field required"),
        (json.dumps({**ONE, "modified": "yesterday"}), "modified: Input should be"),
        (json.dumps({**ONE, "affected": "x"}), "affected: "),
        (json.dumps("an advisory"), "OSV format: Input should be"),
    ],
)
def test_what_is_no_database_is_an_error(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "all.json"
    path.write_text(content)
    with pytest.raises(AdvisoryError, match=f"all.json .*{told}.*fetch the database again"):
        read_advisories(path, wanted=ABOUT)


def test_a_damaged_zip_is_an_error(tmp_path: Path) -> None:
    path = as_zip(tmp_path)
    content = bytearray(path.read_bytes())
    content[content.index(b"Something")] ^= 1
    path.write_bytes(content)
    with pytest.raises(AdvisoryError, match=r"all.zip can't be read: .*CRC"):
        read_advisories(path, wanted=ABOUT)


def test_a_zip_that_is_cut_off_is_an_error(tmp_path: Path) -> None:
    path = as_zip(tmp_path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(AdvisoryError, match=r"all.zip is no JSON"):
        read_advisories(path, wanted=ABOUT)


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_database_that_is_not_there_is_an_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "all.zip"
    if kind == "directory":
        path.mkdir()
    with pytest.raises(AdvisoryError, match=r"all.zip (can't be read|holds no advisories)"):
        read_advisories(path, wanted=ABOUT)
