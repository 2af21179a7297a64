"""What differs between two images that should be the same: the layer, the file and the property."""

import json
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile, zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from tests.docker.engine import engine


@dataclass(frozen=True)
class Saved:
    """An image in an archive of `docker image save`.

    Attributes:
        archive: The open archive.
    """

    archive: tarfile.TarFile

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """Its configuration; the digest of this is the image's id."""
        return dict(json.load(self._open(self._manifest["Config"])))

    @cached_property
    def layers(self) -> Mapping[str, str]:
        """Where the archive has each layer, lowest first, by the digest of its content."""
        digests = self.config["rootfs"]["diff_ids"]
        return dict(zip(digests, self._manifest["Layers"], strict=True))

    def layer(self, digest: str) -> tarfile.TarFile:
        """The files of a layer."""
        return tarfile.open(fileobj=self._open(self.layers[digest]))

    @cached_property
    def _manifest(self) -> Mapping[str, Any]:
        [found] = json.load(self._open("manifest.json"))
        return dict(found)

    def _open(self, name: str) -> IO[bytes]:
        found = self.archive.extractfile(name)
        assert found is not None, name
        return found


@contextmanager
def saved(image: str) -> Iterator[Saved]:
    """An image of the engine as an archive, for the length of a block."""
    with TemporaryDirectory() as directory:
        path = Path(directory, "image.tar")
        engine("image", "save", f"--output={path}", image)
        with tarfile.open(path) as archive:
            yield Saved(archive)


def first_difference(one: str, other: str) -> str | None:
    """The first thing that differs between two images of the engine; None if they are the same.

    Args:
        one: Name or id of an image.
        other: Name or id of the image that should be the same.

    Returns:
        Layer, path and property, such as ``layer 4: /etc/shadow: content from byte 57 on``.
    """
    ids = {engine("image", "inspect", "--format={{.Id}}", image) for image in (one, other)}
    if len(ids) == 1:
        return None
    with saved(one) as first, saved(other) as second:
        return next(differences(first, second), "configuration: its spelling")


def differences(one: Saved, other: Saved) -> Iterator[str]:
    """All differences of two images: those of each layer, then those of the configurations."""
    pairs = zip_longest(one.layers, other.layers)
    for number, (left, right) in enumerate(pairs):
        if left is None or right is None:
            yield f"layer {number}: {_only_in(one=right is None)}"
        elif left != right:
            found = layer_differences(one.layer(left), other.layer(right))
            yield from (f"layer {number}: {difference}" for difference in found)
    yield from (f"configuration: {found}" for found in _values(one.config, other.config))


def layer_differences(one: tarfile.TarFile, other: tarfile.TarFile) -> Iterator[str]:
    """All differences of two layers, in the order of their files."""
    left, right = ({entry.name: entry for entry in layer} for layer in (one, other))
    for name in left | right:
        if name in left and name in right:
            found = _file_differences((one, left[name]), (other, right[name]))
            yield from (f"/{name}: {difference}" for difference in found)
        else:
            yield f"/{name}: {_only_in(one=name in left)}"
    if left.keys() == right.keys():
        moved = (name for name, there in zip(left, right, strict=True) if name != there)
        yield from (f"/{name}: place among the files" for name in moved)


Place = tuple[tarfile.TarFile, tarfile.TarInfo]
"""A file, and the layer that it lies in."""


def _file_differences(one: Place, other: Place) -> Iterator[str]:
    left, right = _properties(one[1]), _properties(other[1])
    yield from (f"{key} {left[key]} and {right[key]}" for key in left if left[key] != right[key])
    contents = [_content(*one), _content(*other)]
    if contents[0] != contents[1]:
        same = takewhile(lambda pair: pair[0] == pair[1], zip(*contents, strict=False))
        yield f"content from byte {sum(1 for _ in same)} on"


def _properties(entry: tarfile.TarInfo) -> Mapping[str, object]:
    """What a layer says of a file beside its content."""
    return {
        "kind": entry.type.decode(),
        "mode": f"{entry.mode:o}",
        "owner": f"{entry.uid}:{entry.gid}",
        "mtime": entry.mtime,
        "target": entry.linkname,
        "device": f"{entry.devmajor}:{entry.devminor}",
        # Extended attributes; parts of a second.
        "headers": entry.pax_headers,
    }


def _content(layer: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    found = layer.extractfile(entry) if entry.isreg() else None
    return found.read() if found else b""


def _values(one: object, other: object, *, place: str = "") -> Iterator[str]:
    """What differs between two pieces of a configuration, and where it stands."""
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        one, other = dict(enumerate(one)), dict(enumerate(other))
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one | other:
            yield from _values(one.get(key), other.get(key), place=f"{place}/{key}")
    elif one != other:
        yield f"{place} {one} and {other}"


def _only_in(*, one: bool) -> str:
    return f"only the {'first' if one else 'second'} image has it"
