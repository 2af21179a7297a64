"""The manifest of a backup: what it is of, and the sha256 of each of its files."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from operations.errors import OperationsError

FORMAT = 1
NAME = "manifest.json"
_PATH = re.compile(r"[a-z]+(/[a-z]+)?\.(tar|dump)")


class BackupError(OperationsError):
    """A backup can't be made, or is not as it was made."""


@dataclass(frozen=True)
class StoredFile:
    """A file of a backup.

    Attributes:
        path: Where it is, below the backup's directory.
        kind: `dump` of a database of PostgreSQL, `tar` of a volume.
        of: The database, or the volume as docker-compose.yml calls it.
        bytes: Its size.
        sha256: Its hash.
    """

    path: str
    kind: str
    of: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup is.

    Attributes:
        created: When it was begun, in UTC and ISO 8601.
        platform: The name of the platform.
        project_version: The project's version.
        git_commit: The commit of the project's files, if they are a checkout.
        database: Where rows were: sqlite or postgres.
        files: Its files, in the order in which they were made.
        format: Of the backup; a reader knows those up to its own.
    """

    created: str
    platform: str
    project_version: str
    git_commit: str
    database: str
    files: Sequence[StoredFile]
    format: int = field(default=FORMAT)

    def write(self, directory: Path) -> None:
        """Writes it, with a hash of its own, so that a change of it shows."""
        told = {**asdict(self), "files": [asdict(one) for one in self.files]}
        text = json.dumps({**told, "sha256": _own_hash(told)}, indent=1)
        (directory / NAME).write_text(f"{text}\n", encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Reads that of a backup.

        Raises:
            BackupError: It is not there, was changed, is of a newer format, or lacks something.
        """
        told = _load(directory)
        written = told.get("format")
        if type(written) is not int or written > FORMAT:
            raise BackupError(
                f"{directory} is of the format {written}, and this version of the project reads up "
                f"to {FORMAT}: restore it with the version that made it, "
                f"{told.get('project_version')!r}, or a later one"
            )
        found = told.pop("sha256", None)
        if found != _own_hash(told):
            raise BackupError(f"{directory / NAME} was changed since it was written")
        at = directory / NAME
        return cls(**_checked(cls, {**told, "files": _files(told.get("files"), at)}, at))


def _files(told: object, at: Path) -> list[StoredFile]:
    """The files that a manifest names.

    Raises:
        BackupError: They are no files of a backup.
    """
    if not isinstance(told, list):
        raise BackupError(f"{at} is no manifest: files is no list")
    found = [StoredFile(**_checked(StoredFile, one, at)) for one in told]
    for one in found:
        if not _PATH.fullmatch(one.path):
            raise BackupError(f"{at} names {one.path!r}, which no backup has")
    return found


def _checked(wanted: type, told: object, at: Path) -> dict[str, Any]:
    """Values for a dataclass of ours.

    Raises:
        BackupError: There are others than its own, or of other types.
    """
    types = {one.name: one.type for one in fields(wanted)}
    if not isinstance(told, dict) or told.keys() != types.keys():
        names = sorted(told) if isinstance(told, dict) else told
        raise BackupError(f"{at} is no manifest: it has {names} where {sorted(types)} belongs")
    for name, kind in types.items():
        # A bool is an int for Python, and not here.
        if kind in {str, int} and type(told[name]) is not kind:
            raise BackupError(f"{at} is no manifest: {name} is {told[name]!r}")
    return told


def _load(directory: Path) -> dict[str, Any]:
    try:
        told = json.loads((directory / NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BackupError(f"{directory} is no backup: it has no {NAME}") from None
    except (OSError, ValueError) as error:
        raise BackupError(f"{directory / NAME} can't be read: {error}") from error
    if not isinstance(told, dict):
        raise BackupError(f"{directory / NAME} is no manifest")
    return told


def _own_hash(told: Mapping[str, Any]) -> str:
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def hash_of(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
