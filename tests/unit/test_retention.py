"""Old bundles are forgotten, the newest and the needed ones stay."""

from pathlib import Path

from serving.release.retention import forget_old_bundles


def bundles(releases: Path, *versions: int) -> None:
    for version in versions:
        place = releases / f"v{version}"
        place.mkdir(parents=True)
        (place / f"iris-v{version}-0123456789ab.tar").touch()
        (place / "bundle.json").touch()


def left(releases: Path) -> set[str]:
    return {path.parent.name for path in releases.glob("*/*.tar")}


def test_the_newest_are_kept_by_their_number(tmp_path: Path) -> None:
    bundles(tmp_path, 2, 9, 10, 11)
    removed = forget_old_bundles(tmp_path, keep=2, needed=set())
    assert left(tmp_path) == {"v10", "v11"}
    assert [path.parent.name for path in removed] == ["v9", "v2"]


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
