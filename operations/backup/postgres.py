"""The platform's PostgreSQL, for as long as databases are dumped or restored."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from operations.backup.contents import DATABASES
from operations.command import docker
from operations.compose_model import ComposeModel
from operations.containers import all_containers
from operations.errors import CommandError
from operations.project import Project
from operations.streams import Progress, file_to_input, output_to_file
from operations.terminal import note

SERVICE = "postgres"
START_SECONDS = 180
ALL = ("--profile", "*")
USER = "postgres"
OURS = "ml-assets-backup"
"""How our connections are called."""


@dataclass(frozen=True)
class Postgres:
    """The service `postgres`, which runs.

    Attributes:
        project: The project.
    """

    project: Project

    def size(self) -> int:
        """Bytes of the databases, which a dump of them does not exceed.

        Raises:
            CommandError: It does not answer.
        """
        listed = ", ".join(f"'{name}'" for name in DATABASES)
        asked = (
            f"select sum(pg_database_size(datname)) from pg_database where datname in ({listed})"  # noqa: S608
        )
        return int(self._ask(asked) or 0)

    def dump(self, name: str, path: Path, progress: Progress) -> tuple[int, str, str]:
        """Writes a consistent dump of a database; returns size, sha256 and what was said.

        Raises:
            CommandError: PostgreSQL refuses.
        """
        tool = ("pg_dump", f"--username={USER}", "--format=custom", f"--dbname={name}")
        try:
            return output_to_file(
                self._inside(*tool),
                path,
                environment=self.project.environment,
                directory=self.project.root,
                progress=progress,
            )
        except BaseException:
            self._end_ours()
            raise

    def restore(self, name: str, path: Path) -> None:
        """Fills an empty database from a dump, all of it or nothing.

        Raises:
            CommandError: PostgreSQL refuses.
        """
        tool = (
            *("pg_restore", f"--username={USER}", f"--dbname={name}", f"--role={name}"),
            *("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error"),
        )
        file_to_input(
            self._inside(*tool),
            path,
            environment=self.project.environment,
            directory=self.project.root,
        )

    def _inside(self, *command: str) -> list[str]:
        named = ("exec", "-T", "--env", f"PGAPPNAME={OURS}", "postgres")
        return self.project.compose_command(*ALL, *named, *command)

    def _ask(self, query: str) -> str:
        psql = ("psql", f"--username={USER}", "--no-psqlrc", "-qtAc", query)
        return self.project.compose(*ALL, "exec", "-T", "postgres", *psql).strip()

    def _end_ours(self) -> None:
        """Ends what a dump that was stopped has left in the server."""
        ours = f"from pg_stat_activity where application_name = '{OURS}'"
        try:
            self._ask(f"select pg_terminate_backend(pid) {ours}")
        except CommandError:
            return


@dataclass(frozen=True)
class _Seen:
    """What there is of the platform.

    Attributes:
        postgres: States of PostgreSQL's container; none if there is none.
        others: All other containers, by name, and whether each runs.
        networks: The platform's networks.
    """

    postgres: frozenset[str]
    others: Mapping[str, bool]
    networks: frozenset[str]

    @classmethod
    def of(cls, model: ComposeModel) -> Self:
        """Looks at the engine."""
        ours = [one for one in all_containers() if one.project == model.name]
        there = docker("network", "ls", "--format", "{{.Name}}").split()
        return cls(
            postgres=frozenset(one.state for one in ours if one.service == SERVICE),
            others={one.name: one.is_running for one in ours if one.service != SERVICE},
            networks=frozenset(there) & set(model.networks.values()),
        )

    def is_started_since(self, before: Self) -> bool:
        """Whether others have made or started a container of the platform meanwhile."""
        return any(
            name not in before.others or (runs and not before.others[name])
            for name, runs in self.others.items()
        )


@contextmanager
def running_postgres(project: Project, model: ComposeModel) -> Iterator[Postgres]:
    """PostgreSQL, started for the block if it does not run.

    Afterwards all is as it was, unless others have started the platform meanwhile and need it.

    Args:
        project: The project.
        model: Its compose model, with all profiles.
    """
    before = _Seen.of(model)
    if "running" in before.postgres:
        yield Postgres(project)
        return
    try:
        wait = ("up", "--detach", "--wait", "--no-deps", "--quiet-pull", SERVICE)
        project.compose(*ALL, *wait, seconds=START_SECONDS)
        yield Postgres(project)
    finally:
        _put_back(project, model, before)


def _put_back(project: Project, model: ComposeModel, before: _Seen) -> None:
    """Stops PostgreSQL, and removes what was made for it, if nobody else needs it by now."""
    now = _Seen.of(model)
    if now.is_started_since(before):
        note("PostgreSQL goes on, as the platform was started meanwhile")
        return
    if before.postgres:
        project.compose(*ALL, "stop", SERVICE)
        return
    project.compose(*ALL, "rm", "--stop", "--force", SERVICE)
    for name in sorted(now.networks - before.networks):
        with suppress(CommandError):  # somebody uses it by now
            docker("network", "rm", name)
