"""Reads the files of a model and proves that they are the ones that were recorded."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from serving.runtime.errors import ModelFileError

MANIFEST = "model.json"
BASE_FILE = "base.json"
BOOSTER_FILE = "model.ubj"
SKOPS_FILE = "model.skops"


def sha256(content: bytes) -> str:
    """Digest of a file's content, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def read_file(path: Path) -> bytes:
    """A file's content.

    Raises:
        ModelFileError: There is no such file, or it can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"{path} can't be read ({error.strerror or error}); fetch the model again"
        ) from error


def read_verified(directory: Path, digests: Mapping[str, str]) -> dict[str, bytes]:
    """Content of the files that ``digests`` names, each read once and compared with its sha256.

    What is returned is what was verified: nobody can exchange a file in between.

    Args:
        directory: Where the files lie, beside the manifest.
        digests: sha256 of each file by its name.

    Raises:
        ModelFileError: A file is missing, differs from its record, or is not in the record.
    """
    contents = {name: read_file(directory / name) for name in sorted(digests)}
    for name, content in contents.items():
        if sha256(content) != digests[name]:
            raise ModelFileError(
                f"{directory / name} ({len(content)} bytes) is not the file that {MANIFEST} "
                f"records: its sha256 is {sha256(content)}, recorded is {digests[name]}; "
                "it is damaged or belongs to another model: fetch the model again"
            )
    extra = sorted({path.name for path in directory.iterdir()} - {*digests, MANIFEST})
    if extra:
        raise ModelFileError(
            f"{directory / extra[0]} is not recorded in {MANIFEST}; a model's directory holds "
            "its own files only: move it elsewhere or fetch the model again"
        )
    return contents
