"""Puts a backup into an empty platform."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from operations.backup.contents import DUMP, TAR, VOLUMES
from operations.backup.manifest import BackupError, Manifest, StoredFile
from operations.backup.postgres import running_postgres
from operations.command import docker
from operations.compose_model import ComposeModel, read_model
from operations.containers import all_containers
from operations.errors import CommandError
from operations.half_restored import MARKER, SENTENCE
from operations.helper import VOLUME, WRITER, Helper, existing_volumes
from operations.images import helper_image
from operations.project import Project
from operations.restore.verifying import check_fits, verify
from operations.streams import file_to_input
from operations.terminal import note

DATABASE_VOLUME = "postgres"
IN_USE_SECONDS, BETWEEN_TRIES_SECONDS = 15, 0.5
"""A container that was ended a moment ago still has its volumes."""
EMPTY = "make down-volumes removes them, after it has asked"


@dataclass(frozen=True)
class Target:
    """The platform that a backup is put into.

    Attributes:
        project: The project.
        model: Its compose model.
        helper: Who writes into its volumes.
    """

    project: Project
    model: ComposeModel
    helper: Helper

    @property
    def volumes(self) -> dict[str, str]:
        """Names of all volumes that a backup may fill, by their keys."""
        keys = (*(one.key for one in VOLUMES), DATABASE_VOLUME)
        return {key: self.model.volumes[key] for key in keys if key in self.model.volumes}

    def require_empty(self) -> None:
        """Makes sure that nothing is lost.

        Raises:
            BackupError: The platform has containers, or volumes with something in them.
        """
        name = self.model.name
        if held := [one.name for one in all_containers() if one.project == name]:
            raise BackupError(
                f"{name} has containers ({', '.join(held[:3])} ...), so that it is not empty; stop "
                f"it with make down, and if its data is to go: {EMPTY}"
            )
        found = self.helper.measure(existing_volumes(self.volumes))
        full = {key: one.names for key, one in found.items() if one.names}
        if any(MARKER in names for names in full.values()):
            raise BackupError(SENTENCE)
        if full:
            raise BackupError(f"the volumes {', '.join(sorted(full))} of {name} hold data; {EMPTY}")

    @contextmanager
    def emptied_on_failure(self) -> Iterator[None]:
        """Leaves the platform as empty as it was if the block does not end well, and tells so."""
        try:
            yield
        except BaseException:
            note("taking back what was restored so far")
            there = existing_volumes(self.volumes).values()
            kept = [name for name in there if not _removes(name)]
            if not kept:
                note("the platform is as empty as it was")
            raise

    def make_volumes(self, keys: Sequence[str]) -> None:
        """Lets Compose make volumes, so that they are the project's.

        Raises:
            CommandError: Compose refuses.
        """
        volumes = {key: {"name": self.model.volumes[key]} for key in keys}
        mounts = [{"type": "volume", "source": key, "target": f"/restore/{key}"} for key in keys]
        maker = {"image": self.helper.image, "network_mode": "none", "volumes": mounts}
        text = json.dumps(
            {"name": self.model.name, "services": {"restore": maker}, "volumes": volumes}
        )
        command = ("--file", "-", "--project-name", self.model.name)
        self.project.compose(*command, "create", "--pull", "never", text=text)
        self.project.compose(*command, "rm", "--force", text=text)

    def mark(self, keys: Sequence[str], *, unfinished: bool) -> None:
        """Notes in volumes that they are half full, or full.

        Raises:
            CommandError: The engine refuses.
        """
        tool = ("touch",) if unfinished else ("rm", "--force")
        places = {self.model.volumes[key]: f"{VOLUME}/{key}" for key in keys}
        docker(
            *("run", "--rm", "--pull=never", "--network=none", "--read-only", "--user=0:0"),
            *("--cap-drop=ALL", "--cap-add=DAC_OVERRIDE", f"--entrypoint={tool[0]}"),
            *(f"--mount=type=volume,source={one},target={at}" for one, at in places.items()),
            *(self.helper.image, *tool[1:], *(f"{at}/{MARKER}" for at in places.values())),
        )

    def fill(self, file: StoredFile, path: Path) -> None:
        """Unpacks a part of a backup into its volume.

        Raises:
            CommandError: It can't be unpacked, for instance for lack of space.
        """
        mounts = {self.model.volumes[file.of]: VOLUME}
        with self.helper.command("unpack", VOLUME, volumes=mounts, capabilities=WRITER) as command:
            file_to_input(
                command,
                path,
                environment=self.project.environment,
                directory=self.project.root,
            )


def restore(project: Project, source: Path) -> Manifest:
    """Verifies a backup and puts it into the project's platform, which must be empty.

    Args:
        project: The project.
        source: Directory of the backup.

    Returns:
        The backup's manifest.

    Raises:
        OperationsError: The backup is damaged or does not fit, or the platform is not empty:
            nothing was touched then. Or it has failed: the platform is empty again.
    """
    note(f"verifying {source}")
    manifest = verify(source)
    check_fits(manifest, project)
    model = read_model(project, ["*"])
    target = Target(project, model, Helper(helper_image(project), model.name))
    target.require_empty()
    with target.emptied_on_failure():
        _restore_volumes(target, manifest, source)
        _restore_databases(target, manifest, source)
        target.mark(_keys(manifest), unfinished=False)
    return manifest


def _keys(manifest: Manifest) -> list[str]:
    return sorted({one.of for one in manifest.files if one.kind == TAR})


def _restore_volumes(target: Target, manifest: Manifest, source: Path) -> None:
    unknown = set(_keys(manifest)) - target.model.volumes.keys()
    if unknown:
        raise BackupError(f"the compose files have no volume {', '.join(sorted(unknown))}")
    target.make_volumes(_keys(manifest))
    target.mark(_keys(manifest), unfinished=True)
    for file in manifest.files:
        if file.kind == TAR:
            note(f"  {file.path}")
            target.fill(file, source / file.path)


def _restore_databases(target: Target, manifest: Manifest, source: Path) -> None:
    dumps = [one for one in manifest.files if one.kind == DUMP]
    if not dumps:
        return
    with running_postgres(target.project, target.model) as postgres:
        for file in dumps:
            note(f"  {file.path}")
            postgres.restore(file.of, source / file.path)


def _removes(volume: str) -> bool:
    """Whether a volume can be removed, if need be once the engine has ended what still uses it."""
    until = time.monotonic() + IN_USE_SECONDS
    while True:
        try:
            docker("volume", "rm", "--force", volume)
        except CommandError as error:
            if "in use" not in str(error) or time.monotonic() > until:
                note(f"{error}; make down-volumes removes it")
                return False
            time.sleep(BETWEEN_TRIES_SECONDS)
        else:
            return True
