"""Verifies a backup, all of it, before anything is touched."""

import tarfile
from pathlib import Path

from operations.backup.contents import DATABASES, DUMP, POSTGRES, TAR, VOLUMES
from operations.backup.manifest import NAME, BackupError, Manifest, StoredFile, hash_of
from operations.backup.place import PARTIAL
from operations.inside.unpack import ForeignTarError, check
from operations.project import Project

DUMP_MAGIC = b"PGDMP"
KEYS = frozenset(one.key for one in VOLUMES)


def verify(directory: Path) -> Manifest:
    """A backup's manifest, once every file is known to be as it was made.

    Raises:
        BackupError: A file is missing, added, cut or changed, or would write elsewhere.
    """
    if not directory.is_dir():
        raise BackupError(f"there is no backup at {directory}")
    if directory.name.endswith(PARTIAL):
        raise BackupError(f"{directory} was never finished; take another backup")
    manifest = Manifest.read(directory)
    _check_names(directory, manifest)
    for file in manifest.files:
        _check_file(directory / file.path, file)
    return manifest


def _check_names(directory: Path, manifest: Manifest) -> None:
    named = {NAME, *(one.path for one in manifest.files)}
    if len(named) != len(manifest.files) + 1:
        raise BackupError(f"{directory / NAME} names a file twice")
    found = {
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    if missing := sorted(named - found):
        raise BackupError(f"{directory} is damaged: {', '.join(missing)} is missing")
    if added := sorted(found - named):
        raise BackupError(
            f"{directory} has what was not in it when it was made: {', '.join(added)}; remove it, "
            "if you know where it comes from"
        )


def _check_file(path: Path, told: StoredFile) -> None:
    if path.is_symlink():
        raise BackupError(f"{path} is damaged: it is a link")
    size = path.stat().st_size
    if size != told.bytes:
        raise BackupError(f"{path} is damaged: it has {size} bytes, and had {told.bytes}")
    if hash_of(path) != told.sha256:
        raise BackupError(f"{path} is damaged: its content was changed")
    if (told.kind, told.of in DATABASES) == (DUMP, True):
        _check_dump(path)
    elif (told.kind, told.of in KEYS) == (TAR, True):
        _check_tar(path)
    else:
        raise BackupError(f"{path} is a {told.kind} of {told.of!r}, which no backup has")


def _check_dump(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(DUMP_MAGIC)) != DUMP_MAGIC:
            raise BackupError(f"{path} is no dump of PostgreSQL")


def _check_tar(path: Path) -> None:
    try:
        with tarfile.open(path, mode="r|") as tar:
            for _ in check(tar):
                pass
    except (ForeignTarError, tarfile.TarError) as error:
        raise BackupError(f"{path} is no part of a backup: {error}") from error


def check_fits(manifest: Manifest, project: Project) -> None:
    """Makes sure that the project can work with what a backup holds.

    Raises:
        BackupError: It was made by a later version, or its rows are of another kind of database, or
            would not be read.
    """
    if manifest.database != project.database:
        raise BackupError(
            f"the backup is of a platform with DATABASE={manifest.database}, and here it is "
            f"{project.database}: set DATABASE={manifest.database} in .env"
        )
    host = project.setting("POSTGRES_HOST")
    if host and manifest.database == POSTGRES:
        raise BackupError(
            f"the databases are on {host} (POSTGRES_HOST), where no restore of ours reaches"
        )
    if _numbers(manifest.project_version) > _numbers(project.version):
        raise BackupError(
            f"the backup was made by version {manifest.project_version}, and this is "
            f"{project.version}, which may not understand its databases: restore it with that "
            "version or a later one"
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
