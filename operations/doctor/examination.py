"""All checks, in the order in which one would make them by hand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from operations.backup.contents import POSTGRES
from operations.command import docker
from operations.compose_model import ComposeModel, read_model
from operations.containers import Container, all_containers
from operations.doctor import (
    network,
    passwords,
    permissions,
    ports,
    resources,
    services,
    tools,
    variables,
    versions,
)
from operations.doctor.findings import Finding, problem, warning
from operations.doctor.report import Report
from operations.doctor.tools import Tools
from operations.errors import OperationsError
from operations.helper import existing_volumes
from operations.images import helper_image, present_images
from operations.project import Project

AGAIN = "mend what stands above, then again"
NEXT = ("dev", "serve")
"""Profiles that most people start one day."""


@dataclass(frozen=True)
class Examination:
    """What several checks look at, looked at once.

    Attributes:
        project: The project.
        profiles: Profiles that are to run besides those of COMPOSE_PROFILES; without any, the ports
            of those that people start next are looked at too.
    """

    project: Project
    profiles: Sequence[str]

    @cached_property
    def everything(self) -> ComposeModel:
        """The platform with all profiles."""
        return read_model(self.project, ["*"])

    @cached_property
    def refusal(self) -> str:
        """Why Compose does not tell of the platform; empty if it does."""
        try:
            _ = self.everything
        except OperationsError as error:
            return str(error)
        return ""

    @cached_property
    def model(self) -> ComposeModel:
        """The services that are to run, or have containers."""
        name = self.everything.name
        present = {one.service for one in self.containers if one.project == name}
        return self.everything.of([*self.profiles, *self._settings], present)

    @cached_property
    def later(self) -> ComposeModel:
        """The services of the profiles that people start next; some may be there already."""
        return self.everything.of(() if self.profiles else NEXT)

    @property
    def _settings(self) -> list[str]:
        """The profiles that the settings name."""
        named = [one.strip() for one in self.project.setting("COMPOSE_PROFILES").split(",")]
        is_ours = not self.project.setting("POSTGRES_HOST")
        return [*named, *(["postgres"] if self.project.database == "postgres" and is_ours else [])]

    @cached_property
    def containers(self) -> list[Container]:
        """All containers of the engine."""
        return all_containers()

    @cached_property
    def images(self) -> frozenset[str]:
        """Names of all images of the engine."""
        return present_images()

    @cached_property
    def image(self) -> str:
        """One of our images; empty if there is none."""
        try:
            return helper_image(self.project, self.images)
        except OperationsError:
            return ""

    @cached_property
    def versions_of_tools(self) -> Tools:
        """The engine and its tools, as they tell their versions."""
        return tools.gather()

    def tools(self) -> list[Finding]:
        """The engine and its tools."""
        return tools.judge(self.versions_of_tools)

    def variables(self) -> list[Finding]:
        """What stands in .env."""
        refusal = self.refusal if self.versions_of_tools.compose else ""
        found = variables.gather(self.project, has_postgres=self._has_postgres(), refusal=refusal)
        return variables.judge(found)

    def _has_postgres(self) -> bool:
        """Whether the platform has a volume of PostgreSQL."""
        if not self.versions_of_tools.has_engine:
            return False
        try:
            name = f"{self.project.name}-{POSTGRES}"
            return bool(existing_volumes({POSTGRES: name}))
        except OperationsError:
            return False

    def passwords(self) -> list[Finding]:
        """Passwords, and who can read them."""
        return passwords.judge(passwords.gather(self.project))

    def ports(self) -> list[Finding]:
        """The ports of this host."""
        return ports.judge(
            ports.gather(self.project, self.model, self.containers, later=self.later)
        )

    def resources(self) -> list[Finding]:
        """Disks, memory, clocks."""
        engine = resources.Engine.parse(docker("info", "--format", "{{json .}}"))
        now = datetime.now(UTC)
        name = self.project.name if self.refusal else self.everything.name
        is_up = any(one.project == name and one.is_running for one in self.containers)
        return resources.judge(resources.gather(self.project, engine, now=now, is_up=is_up))

    def versions(self) -> list[Finding]:
        """The images."""
        found = versions.gather(self.project, self.model, self.containers, self.images)
        return versions.judge(found)

    def services(self) -> list[Finding]:
        """The services' health."""
        return services.judge(services.gather(self.model, self.containers))

    def network(self) -> list[Finding]:
        """Whether services reach each other."""
        found = network.gather(self.project, self.model, self.containers, image=self.image)
        return network.judge(found)

    def permissions(self) -> list[Finding]:
        """Who may read and write what."""
        return permissions.judge(permissions.gather(self.project, self.model, image=self.image))


def examine(project: Project, profiles: Sequence[str] = ()) -> Report:
    """Makes every check; one that can't be made says why, and the others are made all the same."""
    seen = Examination(project, profiles)
    report = {
        name: _made(check)
        for name, check in (
            ("tools", seen.tools),
            ("variables", seen.variables),
            ("passwords", seen.passwords),
        )
    }
    if not seen.versions_of_tools.has_engine:
        return report
    report["resources"] = _made(seen.resources)
    later = (
        ("versions", seen.versions),
        ("ports", seen.ports),
        ("services", seen.services),
        ("network", seen.network),
        ("permissions", seen.permissions),
    )
    if seen.refusal:
        names = ", ".join(name for name, _ in later)
        return {**report, "others": [warning(f"not looked at yet: {names}", AGAIN)]}
    return {**report, **{name: _made(check) for name, check in later}}


def _made(check: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return check()
    except OperationsError as error:
        return [problem(f"this can't be looked at: {error}", AGAIN)]
