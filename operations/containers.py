"""The engine's containers, as `docker inspect` tells them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from operations.command import docker
from operations.errors import CommandError

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
ONE_SHOT_LABEL = "com.docker.compose.oneoff"
PLATFORM_LABEL = "ml-assets.platform"
"""What containers of runs have; run_containers/labels.py."""


@dataclass(frozen=True)
class Container:
    """A container.

    Attributes:
        name: Its name.
        image: The image that it was made from, as it was called.
        project: The Compose project that it belongs to, or the platform whose run it is.
        service: Its service in that project; empty for a run and for a one-shot.
        state: created, running, restarting, exited, paused or dead.
        health: healthy, unhealthy, starting, or empty without a health check.
        exit_code: Of its last end.
        restarts: How often the engine has started it anew.
        published: Addresses and ports of this host that it listens on.
        tells: What its health check has said last.
        error: Why the engine could not start it; empty if it could.
    """

    name: str
    image: str
    project: str
    service: str
    state: str
    health: str
    exit_code: int
    restarts: int
    published: tuple[tuple[str, int], ...]
    tells: str = ""
    error: str = ""

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return self.state == "running"


def all_containers() -> list[Container]:
    """All containers of the engine; one that goes meanwhile is left out.

    Raises:
        CommandError: The engine does not answer.
    """
    ids = docker("ps", "--all", "--quiet", "--no-trunc").split()
    if not ids:
        return []
    try:
        return [parse_container(one) for one in json.loads(docker("inspect", *ids))]
    except CommandError:
        return [found for one in ids if (found := _container(one))]


def _container(identity: str) -> Container | None:
    try:
        return parse_container(json.loads(docker("inspect", identity))[0])
    except CommandError as error:
        if "no such" in str(error).lower():
            return None
        raise


def parse_container(told: Mapping[str, Any]) -> Container:
    """What `docker inspect` tells of one."""
    labels, state = told["Config"].get("Labels") or {}, told["State"]
    is_service = labels.get(ONE_SHOT_LABEL, "False") == "False"
    log = (state.get("Health") or {}).get("Log") or []
    return Container(
        name=told["Name"].removeprefix("/"),
        image=told["Config"]["Image"],
        project=labels.get(PROJECT_LABEL) or labels.get(PLATFORM_LABEL, ""),
        service=labels.get(SERVICE_LABEL, "") if is_service else "",
        state=state["Status"],
        health=(state.get("Health") or {}).get("Status", "").removeprefix("none"),
        exit_code=state["ExitCode"],
        restarts=told.get("RestartCount", 0),
        published=tuple(_published(told["NetworkSettings"].get("Ports") or {})),
        tells=str(log[-1]["Output"]).strip() if log else "",
        error=state.get("Error") or "",
    )


def _published(ports: Mapping[str, Any]) -> list[tuple[str, int]]:
    bound = (binding for bindings in ports.values() for binding in bindings or [])
    return sorted({(one["HostIp"], int(one["HostPort"])) for one in bound})
