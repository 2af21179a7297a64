"""What `docker compose config` makes of the compose files: services, ports, images, volumes."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from operations.project import Project

STARTED_BY = {
    "serve": "make serve",
    "monitoring": "make monitoring",
    "feast": "docker compose --profile feast up --detach --wait",
}
"""The command that starts the services of a profile."""


@dataclass(frozen=True)
class PublishedPort:
    """A port of this host that a service listens on.

    Attributes:
        service: The service.
        address: The address of this host; empty for all.
        port: The port.
    """

    service: str
    address: str
    port: int


@dataclass(frozen=True)
class Service:
    """A service.

    Attributes:
        name: Its name.
        image: Its image.
        is_built: Whether the image is built here.
        restarts: Whether it is to run for good, other than a one-shot.
        ports: What it publishes.
        volumes: The keys of the volumes that it mounts.
        replicas: How many containers it has.
        profiles: The profiles that start it; none if it always starts.
    """

    name: str
    image: str
    is_built: bool
    restarts: bool
    ports: tuple[PublishedPort, ...]
    volumes: tuple[str, ...]
    replicas: int
    profiles: frozenset[str] = frozenset()

    def is_started_by(self, profiles: Collection[str]) -> bool:
        """Whether it starts with some profiles; `*` is all of them."""
        return not self.profiles or "*" in profiles or bool(self.profiles & set(profiles))


@dataclass(frozen=True)
class ComposeModel:
    """The platform as Compose would start it.

    Attributes:
        name: The project's name.
        services: The services of the chosen profiles.
        volumes: Names of the volumes, by their keys in the file.
        networks: Names of the networks, by their keys in the file.
    """

    name: str
    services: tuple[Service, ...]
    volumes: Mapping[str, str]
    networks: Mapping[str, str]

    @property
    def ports(self) -> list[PublishedPort]:
        """All published ports."""
        return [port for service in self.services for port in service.ports]

    @property
    def starts(self) -> dict[str, str]:
        """The command that starts each service which `make up` leaves out."""
        return {
            one.name: command
            for profile, command in STARTED_BY.items()
            for one in self.services
            if profile in one.profiles
        }

    def of(self, profiles: Collection[str], services: Collection[str] = ()) -> Self:
        """The same with fewer services.

        Args:
            profiles: The profiles whose services stay.
            services: Services that stay besides.
        """
        kept = (one for one in self.services if one.is_started_by(profiles) or one.name in services)
        return replace(self, services=tuple(kept))


def start_of(starts: Mapping[str, str], services: Collection[str]) -> str:
    """The commands that start services, or start them anew."""
    return "; ".join(sorted({starts.get(name, "make up") for name in services}))


def read_model(project: Project, profiles: Sequence[str] = ()) -> ComposeModel:
    """The platform with some profiles; a setting that is missing does not keep it from being read.

    Args:
        project: The project.
        profiles: Profiles, instead of those of COMPOSE_PROFILES; `*` is all of them.

    Raises:
        CommandError: Compose refuses the files.
    """
    options = [option for profile in profiles for option in ("--profile", profile)]
    filled_in = {name: _stand_in(name, project) for name in project.missing}
    printed = project.compose(*options, "config", "--format", "json", settings=filled_in)
    return parse_model(json.loads(printed))


def _stand_in(name: str, project: Project) -> str:
    """Something that a missing setting could be, so that Compose reads the rest."""
    known = {"IMAGES": "ml-assets", "ML_ASSETS_VERSION": project.version}
    return known.get(name) or ("/missing" if name.endswith(("_DIR", "_FILE")) else "0")


def parse_model(told: Mapping[str, Any]) -> ComposeModel:
    """What `docker compose config --format json` has printed."""
    services = told.get("services") or {}
    return ComposeModel(
        name=told["name"],
        services=tuple(_service(name, one) for name, one in sorted(services.items())),
        volumes=_names(told, "volumes"),
        networks=_names(told, "networks"),
    )


def _service(name: str, told: Mapping[str, Any]) -> Service:
    deploy = told.get("deploy") or {}
    mounts = told.get("volumes") or []
    return Service(
        name=name,
        image=told.get("image", ""),
        is_built="build" in told,
        restarts=told.get("restart", "no") != "no",
        ports=tuple(port for one in told.get("ports") or [] for port in _ports(name, one)),
        volumes=tuple(one["source"] for one in mounts if one["type"] == "volume"),
        replicas=int(deploy.get("replicas", 1)),
        profiles=frozenset(told.get("profiles") or ()),
    )


def _ports(service: str, told: Mapping[str, Any]) -> list[PublishedPort]:
    first, _, last = str(told.get("published") or "").partition("-")
    if not first:
        return []
    ports = range(int(first), int(last or first) + 1)
    return [PublishedPort(service, told.get("host_ip", ""), port) for port in ports]


def _names(told: Mapping[str, Any], kind: str) -> dict[str, str]:
    return {key: one["name"] for key, one in (told.get(kind) or {}).items()}
