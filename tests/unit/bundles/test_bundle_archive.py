"""Archives of bundles: the same each time, whole or refused, and with nothing in them but files."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from serving.release.bundle.archive import pack, read_member, unpack, unpacked
from serving.release.bundle.signed_files import BundleError
from tests.unit.bundle_cases import Bundle


@pytest.fixture
def archive(made: Bundle, tmp_path: Path) -> Path:
    target = tmp_path / "oven.tar"
    pack(made.directory, target, epoch=7, below="oven")
    return target


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, link
    return found


def test_a_bundle_is_what_was_packed(archive: Path, made: Bundle, tmp_path: Path) -> None:
    with unpacked(archive, scratch=tmp_path) as found:
        assert found.name == "oven"
        Bundle(found, made.facts, made.signer).check()


def test_the_same_files_make_the_same_archive(made: Bundle, archive: Path, tmp_path: Path) -> None:
    copy = made.copy(tmp_path)
    for path in copy.directory.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    pack(copy.directory, tmp_path / "again.tar", epoch=7, below="oven")
    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()


def test_only_scripts_can_be_run(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        modes = {one.name: (one.mode, one.uid, one.gid, one.mtime) for one in tar}
    assert modes.pop("oven/verify.sh") == (0o755, 0, 0, 7)
    assert {one for name, one in modes.items() if "." in name} == {(0o644, 0, 0, 7)}


@pytest.mark.parametrize(
    "evil",
    [
        entry("../evil"),
        entry("oven/../../evil"),
        entry("/evil"),
        entry("oven/evil", tarfile.SYMTYPE, "/etc/passwd"),
        entry("oven/evil", tarfile.LNKTYPE, "oven/release.json"),
        entry("oven/evil", tarfile.CHRTYPE),
        entry("oven/evil", tarfile.BLKTYPE),
        entry("oven/evil", tarfile.FIFOTYPE),
        entry("oven/evil", b"?"),
    ],
    ids=lambda one: f"{one.name}-{one.type.decode()}",
)
def test_nothing_is_unpacked_that_is_no_file_below_the_directory(
    tmp_path: Path, evil: tarfile.TarInfo
) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        tar.addfile(entry("oven", tarfile.DIRTYPE))
        tar.addfile(evil)
    place = tmp_path / "place"
    with pytest.raises(BundleError, match="evil' has no business in the archive"):
        unpack(tmp_path / "evil.tar", place)
    assert [*place.rglob("*")] == [place / "oven"]
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("name", ["oven", "oven/file/below", "."])
def test_a_file_in_the_place_of_a_directory_is_refused(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        tar.addfile(entry("oven", tarfile.DIRTYPE))
        tar.addfile(entry("oven/file"))
        tar.addfile(entry(name))
    with pytest.raises(BundleError, match=r"evil\.tar can't be unpacked"):
        unpack(tmp_path / "evil.tar", tmp_path / "place")


def test_a_truncated_archive_is_refused_wherever_it_ends(
    archive: Path, made: Bundle, tmp_path: Path
) -> None:
    whole = archive.read_bytes()
    with tarfile.open(archive) as tar:
        starts = [one.offset for one in tar] + [one.offset_data + one.size // 2 for one in tar]
        largest = max(tar, key=lambda one: one.size)
    for end in starts:
        archive.write_bytes(whole[:end])
        with pytest.raises(BundleError), unpacked(archive, scratch=tmp_path) as found:
            Bundle(found, made.facts, made.signer).check()
    archive.write_bytes(whole[: largest.offset_data + largest.size // 2])
    with pytest.raises(BundleError, match=r"oven\.tar can't be unpacked"):
        unpack(archive, tmp_path / "place")


@pytest.mark.parametrize("content", [b"", b"no archive", bytes(1024)])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"x\.tar"), unpacked(path, scratch=tmp_path):
        pass
    with pytest.raises(BundleError, match=r"x\.tar has no key\.pub"):
        read_member(path, "key.pub")


def test_an_archive_of_two_directories_is_no_bundle(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "two.tar", "w") as tar:
        tar.addfile(entry("one", tarfile.DIRTYPE))
        tar.addfile(entry("two", tarfile.DIRTYPE))
    with (
        pytest.raises(BundleError, match="does not hold one directory"),
        unpacked(tmp_path / "two.tar", scratch=tmp_path),
    ):
        pass


def test_a_file_is_read_without_the_rest(archive: Path, made: Bundle) -> None:
    for name in ("key.pub", "golden/check.py"):
        assert read_member(archive, name) == (made.directory / name).read_bytes()
    for name in ("golden", "none", "../oven/key.pub"):
        with pytest.raises(BundleError, match=f"has no {name}"):
            read_member(archive, name)


def test_one_bit_of_the_image_in_an_archive_is_seen(
    archive: Path, made: Bundle, tmp_path: Path
) -> None:
    with tarfile.open(archive) as tar:
        middle = (one := tar.getmember("oven/image.tar")).offset_data + one.size // 2
    content = io.BytesIO(archive.read_bytes())
    content.getbuffer()[middle] ^= 1
    archive.write_bytes(content.getvalue())
    with (
        unpacked(archive, scratch=tmp_path) as found,
        pytest.raises(BundleError, match=r"image\.tar of oven was changed"),
    ):
        Bundle(found, made.facts, made.signer).check()
