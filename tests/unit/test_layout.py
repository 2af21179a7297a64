"""An image becomes the same OCI layout each time, whatever the layers that were kept look like."""

import gzip
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ml_assets.resources.files import UNFINISHED
from serving.release.bundle import oci
from serving.release.bundle.archive import pack
from serving.release.bundle.layers import KEPT_SECONDS, UNFINISHED_SECONDS, ArchiveError
from serving.release.bundle.oci import OciImage, name_image, read_layout, write_layout
from tests.unit.image_cases import tar
from tests.unit.saved_images import SavedImage, SmallEngine, image, layout

SAVED = image("1.0")


@pytest.fixture(autouse=True)
def _engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oci, "docker", SmallEngine(SAVED))


def written(place: Path, saved: SavedImage = SAVED, *, cache: str = "cache") -> OciImage:
    place.mkdir()
    return write_layout(saved.id, place, cache=place.parent / cache)


def test_a_layout_written_twice_is_the_same(tmp_path: Path) -> None:
    archives = []
    for name in ("one", "two"):
        found = written(tmp_path / name, cache=f"cache of {name}")
        name_image(found.directory, found.digest, "oven:v3-abc")
        pack(found.directory, tmp_path / f"{name}.tar", epoch=7)
        archives.append((found.digest, (tmp_path / f"{name}.tar").read_bytes()))
    assert archives[0] == archives[1]


def test_every_blob_has_the_content_that_its_name_says(tmp_path: Path) -> None:
    found = written(tmp_path / "layout")
    blobs = [*(tmp_path / "layout" / "blobs" / "sha256").iterdir()]
    assert all(hashlib.sha256(one.read_bytes()).hexdigest() == one.name for one in blobs)
    assert [gzip.decompress(one.read_bytes()) for one in found.layers] == [*SAVED.layers]
    assert found.image_id == SAVED.id


def test_what_was_written_is_read(tmp_path: Path) -> None:
    found = written(tmp_path / "layout")
    name_image(found.directory, found.digest, "oven:v3-abc")
    assert read_layout(found.directory) == found


@pytest.mark.parametrize("name", ["index.json", "manifest.json", "manifest", "config"])
def test_a_layout_that_was_changed_is_refused(tmp_path: Path, name: str) -> None:
    found = written(tmp_path / "layout")
    name_image(found.directory, found.digest, "oven:v3-abc")
    digests = {"manifest": found.digest, "config": found.image_id}
    blob = Path("blobs", "sha256", digests.get(name, "").removeprefix("sha256:"))
    path = found.directory / (blob if name in digests else name)
    path.write_text(path.read_text().replace("sha256", "sha257"))
    with pytest.raises(ArchiveError, match="is no OCI layout of one image"):
        read_layout(found.directory)


def test_layers_are_compressed_once(tmp_path: Path) -> None:
    one, two = (written(tmp_path / name) for name in ("one", "two"))
    for first, second in zip(one.layers, two.layers, strict=True):
        assert first.stat().st_ino == second.stat().st_ino


@pytest.mark.parametrize("damage", [b"", b"x"])
def test_a_kept_layer_that_is_damaged_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    first = written(tmp_path / "one")
    for layer in (tmp_path / "cache").iterdir():
        layer.unlink()  # its other name, in the layout, stays as it is
        layer.write_bytes(damage)
    second = written(tmp_path / "two")
    assert second.digest == first.digest
    assert [one.read_bytes() for one in second.layers] == [one.read_bytes() for one in first.layers]


@pytest.mark.parametrize(
    ("name", "seconds"), [("old.gz", KEPT_SECONDS), (f".left.gz.x{UNFINISHED}", UNFINISHED_SECONDS)]
)
def test_what_nobody_has_used_for_long_is_forgotten(
    tmp_path: Path, name: str, seconds: float
) -> None:
    written(tmp_path / "one")
    cache = tmp_path / "cache"
    layers = {*cache.iterdir()}
    for path, age in {cache / name: seconds + 9, cache / f"new-{name}": seconds - 9}.items():
        path.touch()
        os.utime(path, (0, time.time() - age))
    written(tmp_path / "two")
    assert {*cache.iterdir()} == layers | {cache / f"new-{name}"}


def test_a_layer_may_be_compressed_several_times_at_once(tmp_path: Path) -> None:
    layer = tar({"a": np.random.default_rng(1).bytes(1 << 20)})
    saved = SavedImage.of(*[layer] * 8)
    found = layout(saved, tmp_path / "layout")
    assert [gzip.decompress(one.read_bytes()) for one in found.layers] == [layer] * 8
    assert len([*(tmp_path / "layers").iterdir()]) == 1


def test_another_image_than_the_one_that_was_asked_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, other = image("1.0"), image("2.0")
    engine = SmallEngine()
    engine.images = {asked.id: other}
    monkeypatch.setattr(oci, "docker", engine)
    with pytest.raises(ArchiveError, match=f"has saved {other.id}, but {asked.id} was asked for"):
        written(tmp_path / "layout")


def saved_with(monkeypatch: pytest.MonkeyPatch, *layers: bytes) -> None:
    """Lets the engine save the image with other layers."""
    engine = SmallEngine()
    engine.images = {SAVED.id: SavedImage(SAVED.config, layers)}
    monkeypatch.setattr(oci, "docker", engine)


def test_an_engine_may_save_compressed_layers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = written(tmp_path / "plain", cache="one")
    saved_with(monkeypatch, *map(gzip.compress, SAVED.layers))
    assert written(tmp_path / "compressed", cache="two").digest == plain.digest


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda _: tar({"other": "x"}), "is sha256:.* but the image says sha256:"),
        (lambda layer: layer[:-1], "is sha256:.* but the image says sha256:"),
        (lambda layer: gzip.compress(layer)[:-9], "is damaged"),
        (lambda layer: gzip.compress(layer)[:9] + b"x" * 99, "is damaged"),
    ],
    ids=["another", "cut", "cut and compressed", "damaged and compressed"],
)
def test_a_layer_that_is_not_the_one_of_the_image_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[bytes], bytes], why: str
) -> None:
    first, second = SAVED.layers
    saved_with(monkeypatch, first, damage(second))
    with pytest.raises(ArchiveError, match=f"the layer 1/layer.tar that the engine .* {why}"):
        written(tmp_path / "layout")


def test_an_image_with_a_layer_less_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved_with(monkeypatch, SAVED.layers[0])
    with pytest.raises(ArchiveError, match="has saved 1 layers, but the image has 2"):
        written(tmp_path / "layout")
