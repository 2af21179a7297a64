"""Reads the layers of an image as archives; nothing of them is unpacked or executed."""

import gzip
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from serving.runtime.errors import MLAssetsError

GZIP = b"\x1f\x8b"
CHUNK = 1 << 20
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
"""Names of the OCI image specification: what a layer takes away from the layers below it."""


class ContentsError(MLAssetsError):
    """A layer can't be read, or what it holds can't be understood."""


@dataclass(frozen=True)
class Entry:
    """One entry of a layer.

    Attributes:
        path: Its path from the root, without a leading slash; empty for the root itself.
        info: Its header.
        read: Reads its content; only while it is the current entry.
    """

    path: str
    info: tarfile.TarInfo
    read: Callable[[], bytes]

    @property
    def name(self) -> str:
        """The last part of its path."""
        return posixpath.basename(self.path)

    @property
    def is_whiteout(self) -> bool:
        """Whether it only takes something away."""
        return self.name.startswith(WHITEOUT)


def entries(layer: Path) -> Iterator[Entry]:
    """The entries of a layer, in their order, read in one pass.

    Args:
        layer: A tar archive, plain or compressed by gzip.

    Raises:
        ContentsError: It can't be read, is damaged or cut off, or has paths outside of the root.
    """
    try:
        with _opened(layer) as file:
            yield from _entries(file, layer)
            while file.read(CHUNK):
                pass  # the checksum of gzip stands at the end
    except (OSError, EOFError, zlib.error, tarfile.TarError, UnicodeError) as error:
        raise ContentsError(
            f"the layer {layer} can't be read: {error}; save the image again"
        ) from error


def _entries(file: BinaryIO, layer: Path) -> Iterator[Entry]:
    with tarfile.open(fileobj=file, mode="r|", tarinfo=_Header) as tar:
        for info in tar:
            yield Entry(_path(info.name, layer), info, partial(_content, tar, info))


def _opened(layer: Path) -> BinaryIO:
    with layer.open("rb") as file:
        is_compressed = file.read(len(GZIP)) == GZIP
    return cast("BinaryIO", gzip.open(layer)) if is_compressed else layer.open("rb")


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(info) if info.isreg() else None
    return file.read() if file is not None else b""


def _path(name: str, layer: Path) -> str:
    path = posixpath.normpath("/" + name).lstrip("/")
    if ".." in name.split("/"):
        raise ContentsError(
            f"the layer {layer} has an entry {name!r}, which may lie outside of the image; no "
            "builder makes such a layer: build the image again"
        )
    return path


class _Header(tarfile.TarInfo):
    """A header that is an error if it is damaged, where `tarfile` would take it for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise
            raise tarfile.ReadError(f"it is damaged or cut off ({error})") from error
