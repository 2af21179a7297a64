"""The layer of a service's image: a Bento as an archive that is the same each time it is made."""

import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

PLACE = "bento"
"""Directory of the image, below its root, that the runtime base serves a Bento from."""

Files = Mapping[str, bytes]


def read_files(bento: Path) -> Files:
    """The files of a Bento by their path in it, without the caches that Python may put there.

    Raises:
        OSError: A file can't be read.
    """
    paths = sorted(path for path in bento.rglob("*") if "__pycache__" not in path.parts)
    files = (path for path in paths if path.is_file())
    return {path.relative_to(bento).as_posix(): path.read_bytes() for path in files}


def content_hash(files: Files) -> str:
    """Digest of a Bento, ``sha256:...``: of each path and of the digest of what is there."""
    digest = hashlib.sha256()
    for path, content in files.items():
        digest.update(f"{path}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def archive(files: Files, *, epoch: int) -> bytes:
    """A tar archive of files that belong to root, and that all may read and nobody may write.

    Args:
        files: Their contents by path.
        epoch: The time at which all were last changed, in seconds since 1970.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in _directories(files):
            tar.addfile(_entry(path, kind=tarfile.DIRTYPE, mode=0o555, epoch=epoch))
        for path, content in files.items():
            entry = _entry(f"{PLACE}/{path}", kind=tarfile.REGTYPE, mode=0o444, epoch=epoch)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _directories(paths: Iterable[str]) -> list[str]:
    """All directories of an archive, each behind the one that it lies in."""
    parents = {str(parent) for path in paths for parent in PurePosixPath(PLACE, path).parents}
    return sorted(parents - {"."})


def _entry(path: str, *, kind: bytes, mode: int, epoch: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode, entry.mtime = kind, mode, epoch
    return entry
