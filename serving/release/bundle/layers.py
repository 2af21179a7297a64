"""The layers of a saved image, compressed the same way each time and kept for the next image."""

import gzip
import hashlib
import tarfile
import time
import uuid
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, NamedTuple, cast

from ml_assets.resources.files import UNFINISHED, atomic_write
from serving.release.contents.layers import GZIP
from serving.runtime.errors import MLAssetsError

LEVEL = 6
CHUNK = 1 << 20
KEPT_SECONDS = 30 * 24 * 3600
"""How long a compressed layer is kept after it was last used."""
UNFINISHED_SECONDS = 3600
"""How long nobody has written to a layer whose writer must be dead."""


class ArchiveError(MLAssetsError):
    """An image can't be turned into an OCI layout, or a layout is damaged."""


class SavedLayer(NamedTuple):
    """A layer of a saved image: its file in the archive, and the digest that it must have."""

    name: str
    digest: str


def compress(saved: Path, layers: Sequence[SavedLayer], *, cache: Path) -> list[Path]:
    """The files of compressed layers, each made if no sound one is kept.

    Args:
        saved: Archive of an image, as the engine saves it: with layers as they are, or compressed
            by gzip.
        layers: Its layers.
        cache: Directory of the compressed ones; it comes to be.

    Raises:
        ArchiveError: The archive has no such layer, or another one of that name.
        OSError: They can't be written.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        found = [*pool.map(partial(_compressed, saved, cache=cache), layers)]
    _forget_unused(cache)
    return found


def digest_of(layer: Path) -> str:
    """sha256 of a compressed layer, which its name tells."""
    return layer.stem.rpartition("-")[2]


def member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    """A file of an archive.

    Raises:
        ArchiveError: There is none of that name.
    """
    found = tar.extractfile(name) if name in tar.getnames() else None
    if found is None:
        raise ArchiveError(f"the engine has saved no file {name}; release the version again")
    return found


def _compressed(saved: Path, layer: SavedLayer, *, cache: Path) -> Path:
    """The file of a layer; its name tells the digests of the layer and of the file."""
    _check(saved, layer)
    key = layer.digest.removeprefix("sha256:")
    for found in cache.glob(f"{key}-*.gz"):
        if digest_of(found) == _digest(found.open("rb")):
            found.touch()
            return found
        found.unlink(missing_ok=True)
    # Others may be compressing the same layer: a base that several images have.
    packed = cache / f"{key}.{uuid.uuid4().hex}.gz"
    with tarfile.open(saved) as tar, atomic_write(packed) as file:
        digest = _compress(_opened(tar, layer.name), file)
    return packed.rename(cache / f"{key}-{digest}.gz")


def _check(saved: Path, layer: SavedLayer) -> None:
    try:
        with tarfile.open(saved) as tar:
            found = f"sha256:{_digest(_opened(tar, layer.name))}"
    except (gzip.BadGzipFile, zlib.error, EOFError, tarfile.TarError) as error:
        raise ArchiveError(
            f"the layer {layer.name} that the engine has saved is damaged ({error}); materialise "
            "the asset service_image again"
        ) from error
    if found != layer.digest:
        raise ArchiveError(
            f"the layer {layer.name} that the engine has saved is {found}, but the image says "
            f"{layer.digest}; materialise the asset service_image again"
        )


def _opened(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    """A layer as it is unpacked; engines with containerd's store save it compressed."""
    file = member(tar, name)
    is_compressed = file.read(len(GZIP)) == GZIP
    file.seek(0)
    return cast("IO[bytes]", gzip.open(file)) if is_compressed else file


def _compress(layer: IO[bytes], file: IO[bytes]) -> str:
    """Writes a layer compressed, without a time in its header; returns the sha256 of the result."""
    compressor, digest = zlib.compressobj(LEVEL, wbits=31), hashlib.sha256()
    for packed in chain(map(compressor.compress, _chunks(layer)), _last(compressor)):
        digest.update(packed)
        file.write(packed)
    return digest.hexdigest()


def _last(compressor: "zlib._Compress") -> Iterator[bytes]:
    yield compressor.flush()


def _forget_unused(cache: Path) -> None:
    """Removes layers that nobody has used for long, and what killed processes have left."""
    for path in cache.iterdir():
        kept = UNFINISHED_SECONDS if path.name.endswith(UNFINISHED) else KEPT_SECONDS
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - kept:
                path.unlink()


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in _chunks(file):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk
