"""Another image in the bundle of a release is refused, whoever loads it, though it is signed."""

import json
import shutil
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from serving.release.bundle.layers import ArchiveError
from serving.release.pushing import unpack_image
from tests.unit.bundle_cases import Bundle, members, reason_of, repack


def compact(content: object) -> bytes:
    """JSON as it stands in images."""
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def swap(bundle: Bundle, other: Bundle) -> None:
    """The whole image of another version."""
    shutil.copy(other.directory / "image.tar", bundle.directory)


def for_docker(bundle: Bundle, other: Bundle) -> None:
    """Both images, of which Docker finds the other one, under this one's name."""
    name = bundle.facts.image
    evil = json.loads(member(other, "manifest.json"))
    evil[0]["RepoTags"] = [name]
    both = members(other.directory / "image.tar") | members(bundle.directory / "image.tar")
    repack(bundle.directory / "image.tar", both | {"manifest.json": compact(evil)})


def for_docker_too(bundle: Bundle, other: Bundle) -> None:
    """Both images, and Docker loads both."""
    entries = [
        *json.loads(member(bundle, "manifest.json")),
        *json.loads(member(other, "manifest.json")),
    ]
    both = members(other.directory / "image.tar") | members(bundle.directory / "image.tar")
    repack(bundle.directory / "image.tar", both | {"manifest.json": compact(entries)})


def for_containerd(bundle: Bundle, other: Bundle) -> None:
    """Both images, of which whatever reads OCI layouts finds the other one."""
    both = members(other.directory / "image.tar") | members(bundle.directory / "image.tar")
    repack(bundle.directory / "image.tar", both | {"index.json": member(other, "index.json")})


def manifest(bundle: Bundle, other: Bundle) -> None:
    """The manifest of another image under this one's digest."""
    path = "blobs/sha256/" + bundle.facts.image_digest.removeprefix("sha256:")
    evil = "blobs/sha256/" + other.facts.image_digest.removeprefix("sha256:")
    repack(bundle.directory / "image.tar", {path: member(other, evil)})


def configuration(bundle: Bundle, other: Bundle) -> None:
    """The configuration of another image under this one's id."""
    path = "blobs/sha256/" + bundle.facts.image_id.removeprefix("sha256:")
    evil = "blobs/sha256/" + other.facts.image_id.removeprefix("sha256:")
    repack(bundle.directory / "image.tar", {path: member(other, evil)})


def member(bundle: Bundle, name: str) -> bytes:
    content = members(bundle.directory / "image.tar")[name]
    assert isinstance(content, bytes)
    return content


@pytest.mark.parametrize(
    "attack", [swap, for_docker, for_docker_too, for_containerd, manifest, configuration]
)
def test_another_image_is_refused_though_it_is_signed(
    bundle: Bundle, other: Bundle, tmp_path: Path, attack: Callable[[Bundle, Bundle], None]
) -> None:
    attack(bundle, other)
    bundle.signed()
    assert f"image.tar is not the image {bundle.facts.image_digest}" in reason_of(bundle.verify())
    with pytest.raises(ArchiveError):
        unpack_image(bundle.directory, tmp_path / "unpacked", bundle.facts)


def test_an_id_that_is_not_that_of_the_digest_is_refused_though_it_is_signed(
    bundle: Bundle, other: Bundle
) -> None:
    for_docker(bundle, other)
    path = bundle.directory / "release.json"
    path.write_text(path.read_text().replace(bundle.facts.image_id, other.facts.image_id))
    reason = reason_of(bundle.signed().verify())
    assert f"image.tar is not the image {bundle.facts.image_digest}" in reason


@pytest.mark.parametrize("name", ["./manifest.json", "/manifest.json", "blobs/../index.json", "x"])
def test_a_file_that_has_no_place_in_an_image_is_refused_though_it_is_signed(
    bundle: Bundle, other: Bundle, name: str
) -> None:
    """Docker reads the last file of a name, however it is written."""
    with tarfile.open(bundle.directory / "image.tar", "a") as tar:
        add(tar, name, member(other, "manifest.json"))
    bundle.signed()
    assert f"does not belong into image.tar: {name}" in reason_of(bundle.verify())


def test_two_files_of_one_name_in_an_image_are_refused_though_they_are_signed(
    bundle: Bundle, other: Bundle
) -> None:
    with tarfile.open(bundle.directory / "image.tar", "a") as tar:
        add(tar, "manifest.json", member(other, "manifest.json"))
    bundle.signed()
    assert "image.tar has two files of one name: manifest.json" in reason_of(bundle.verify())


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Adds a file at the end of an archive."""
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, BytesIO(content))
