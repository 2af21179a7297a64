"""Old bundles are forgotten, the newest and the needed ones stay."""

import os
from pathlib import Path

from serving.release.records import BundleRecord
from serving.release.retention import forget_old_bundles
from tests.unit.facts_cases import facts


def bundles(releases: Path, *versions: int) -> None:
    for version in versions:
        place = releases / f"v{version}"
        place.mkdir(parents=True)
        name = f"iris-v{version}-0123456789ab.tar"
        (place / name).touch()
        os.utime(place / name, (0, 0))
        note(place, name)


def note(place: Path, name: str) -> None:
    """Notes that a bundle is the one of its version."""
    record = BundleRecord(file=name, image_id="sha256:1", sums="ab", facts=facts())
    (place / "bundle.json").write_text(record.model_dump_json())


def left(releases: Path) -> set[str]:
    return {path.parent.name for path in releases.glob("*/*.tar")}


def test_the_newest_are_kept_by_their_number(tmp_path: Path) -> None:
    bundles(tmp_path, 2, 9, 10, 11)
    removed = forget_old_bundles(tmp_path, keep=2, needed=set())
    assert left(tmp_path) == {"v10", "v11"}
    assert {path.parent.name for path in removed} == {"v9", "v2"}


def test_what_is_live_is_kept_however_old(tmp_path: Path) -> None:
    bundles(tmp_path, 1, 2, 3, 4)
    forget_old_bundles(tmp_path, keep=1, needed={1, 3})
    assert left(tmp_path) == {"v1", "v3", "v4"}


def test_records_of_releases_stay(tmp_path: Path) -> None:
    bundles(tmp_path, 1, 2)
    forget_old_bundles(tmp_path, keep=1, needed=set())
    assert (tmp_path / "v1" / "bundle.json").exists()


def test_a_model_without_bundles_has_nothing_to_forget(tmp_path: Path) -> None:
    assert forget_old_bundles(tmp_path / "nowhere", keep=1, needed=set()) == []


def test_a_version_keeps_one_bundle_and_takes_the_place_of_no_other_version(tmp_path: Path) -> None:
    bundles(tmp_path, 1, 2, 3)
    place = tmp_path / "v3"
    (place / "iris-v3-new.tar").touch()
    note(place, "iris-v3-new.tar")
    forget_old_bundles(tmp_path, keep=2, needed=set())
    assert left(tmp_path) == {"v2", "v3"}
    assert [one.name for one in place.glob("*.tar")] == ["iris-v3-new.tar"]


def test_a_bundle_that_is_not_noted_yet_stays(tmp_path: Path) -> None:
    bundles(tmp_path, 1)
    record, new = (tmp_path / "v1" / name for name in ("bundle.json", "iris-v1-new.tar"))
    new.touch()
    os.utime(new, (0, record.stat().st_mtime + 1))
    forget_old_bundles(tmp_path, keep=1, needed=set())
    assert new.exists()
    record.unlink()
    os.utime(new, (0, 0))
    forget_old_bundles(tmp_path, keep=1, needed=set())
    assert new.exists()


def test_a_replaced_bundle_of_a_live_version_goes(tmp_path: Path) -> None:
    bundles(tmp_path, 1)
    old = tmp_path / "v1" / "iris-v1-old.tar"
    old.touch()
    os.utime(old, (0, 0))
    assert forget_old_bundles(tmp_path, keep=1, needed={1}) == [old]
