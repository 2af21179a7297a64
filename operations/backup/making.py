"""Makes a backup of a platform, while it runs or while it is stopped."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from operations.backup.contents import DUMP, POSTGRES, VOLUMES, Part, parts
from operations.backup.manifest import BackupError, Manifest, StoredFile
from operations.backup.place import new_name, require_space, unfinished
from operations.backup.postgres import Postgres, running_postgres
from operations.command import run
from operations.compose_model import ComposeModel, read_model
from operations.errors import CommandError
from operations.half_restored import MARKER, SENTENCE
from operations.helper import READER, VOLUME, Content, Helper, existing_volumes
from operations.images import helper_image
from operations.project import Project
from operations.streams import Progress, output_to_file
from operations.terminal import note, progress


@dataclass(frozen=True)
class Source:
    """The platform that is backed up.

    Attributes:
        project: The project.
        volumes: Names of its volumes, by their keys.
        helper: Who reads them.
        held: Bytes that are in them.
        postgres: Its PostgreSQL; none if rows are elsewhere.
    """

    project: Project
    volumes: Mapping[str, str]
    helper: Helper
    held: int
    postgres: Postgres | None

    def size(self) -> int:
        """Bytes that a backup takes at most."""
        return self.held + (self.postgres.size() if self.postgres else 0)

    def store(self, part: Part, place: Path) -> StoredFile:
        """Makes a file of a backup."""
        path = place / part.path
        path.parent.mkdir(mode=0o700, exist_ok=True)
        begun = time.monotonic()
        size, sha256, said = self._written(part, path, _progress_of(part))
        for line in said.splitlines():
            note(f"{part.path}: {line}")
        seconds = time.monotonic() - begun
        progress("")
        note(f"  {part.path:24} {size / 1e6:10.1f} MB {seconds:6.1f} s")
        return StoredFile(part.path, part.kind, part.of, size, sha256)

    def _written(self, part: Part, path: Path, news: Progress) -> tuple[int, str, str]:
        if part.kind == DUMP and self.postgres:
            return self.postgres.dump(part.of, path, news)
        packing = part.packing.as_json()
        mounts = {self.volumes[part.of]: VOLUME}
        with self.helper.command("pack", packing, volumes=mounts, capabilities=READER) as command:
            return output_to_file(
                command,
                path,
                environment=self.project.environment,
                directory=self.project.root,
                progress=news,
            )


def back_up(project: Project, to: Path) -> Path:
    """Makes a backup.

    Args:
        project: The project.
        to: The directory that gets a new directory.

    Returns:
        The new directory.

    Raises:
        OperationsError: There is nothing to back up, no room for it, or a part can't be read.
    """
    os.umask(0o077)
    model = read_model(project, ["*"])
    volumes = volumes_of(project, model)
    now = datetime.now(UTC)
    name = new_name(model.name, now)
    helper = Helper(helper_image(project), model.name)
    held = bytes_of(helper.measure(volumes))
    with ExitStack() as stack:
        postgres = stack.enter_context(_postgres(project, model))
        source = Source(project, volumes, helper, held, postgres)
        require_space(to, source.size())
        place = stack.enter_context(unfinished(to, name))
        note(f"backing {model.name} up to {to / name}")
        wanted = parts(project.database, volumes)
        _manifest(project, model, now, [source.store(one, place) for one in wanted]).write(place)
    return to / name


def volumes_of(project: Project, model: ComposeModel) -> dict[str, str]:
    """The volumes to back up.

    Raises:
        BackupError: There are none, or rows are where no backup of ours reaches.
    """
    named = {one.key: model.volumes[one.key] for one in VOLUMES if one.key in model.volumes}
    found = existing_volumes(named)
    if not found:
        raise BackupError(f"there is nothing to back up: {model.name} has no volumes yet")
    host = project.setting("POSTGRES_HOST")
    if host and project.database == POSTGRES:
        raise BackupError(
            f"the databases are on {host} (POSTGRES_HOST), which is backed up by its own means"
        )
    if elsewhere := project.setting("MLFLOW_ARTIFACTS"):
        note(f"warning: artifacts are in {elsewhere} (MLFLOW_ARTIFACTS), and not in this backup")
    return found


def bytes_of(contents: Mapping[str, Content]) -> int:
    """How much is in the volumes to back up.

    Raises:
        BackupError: They are half of a platform, as a restore has not ended.
    """
    if any(MARKER in one.names for one in contents.values()):
        raise BackupError(SENTENCE)
    return sum(one.bytes for one in contents.values())


@contextmanager
def _postgres(project: Project, model: ComposeModel) -> Iterator[Postgres | None]:
    """The platform's PostgreSQL, if rows are there."""
    if project.database != POSTGRES:
        yield None
        return
    with running_postgres(project, model) as found:
        yield found


def _progress_of(part: Part) -> Progress:
    return lambda size: progress(f"  {part.path:24} {size / 1e6:10.1f} MB ...")


def _manifest(
    project: Project, model: ComposeModel, now: datetime, files: Sequence[StoredFile]
) -> Manifest:
    return Manifest(
        created=now.isoformat(timespec="seconds"),
        platform=model.name,
        project_version=project.version,
        git_commit=_commit(project.root),
        database=project.database,
        files=files,
    )


def _commit(root: Path) -> str:
    """The commit of the project's files; empty if they are no checkout."""
    try:
        return run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
        ).strip()
    except CommandError:
        return ""
