"""Are the ports free that the platform will publish?"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from operations.compose_model import ComposeModel, PublishedPort
from operations.containers import Container
from operations.doctor.findings import Finding, in_env, ok, problem, warning
from operations.doctor.listeners import Listener, is_taken, listeners
from operations.project import Project

ANY = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  to be compared with
WITHOUT_PASSWORD = frozenset(
    {"webserver", "mlflow", "feast", "prometheus", "alertmanager", "api-feast", "registry"}
)
FIRST_UNPRIVILEGED = 1024
_PORT = re.compile(r"\$\{([A-Z_]*PORT)(?::-(\d+))?\}")


@dataclass(frozen=True)
class Ports:
    """What the platform publishes, and who listens already.

    Attributes:
        platform: The name of the platform.
        published: What it publishes.
        containers: The engine's containers.
        listeners: Who listens on these ports; None where that can't be seen.
        taken: The ports on which nobody else could listen.
        variables: The variable of .env that sets a port.
        later: The services that are not to run yet.
    """

    platform: str
    published: Sequence[PublishedPort]
    containers: Sequence[Container]
    listeners: Sequence[Listener] | None
    taken: frozenset[PublishedPort]
    variables: Mapping[int, str]
    later: frozenset[str] = frozenset()


def gather(
    project: Project, model: ComposeModel, containers: Sequence[Container], *, later: ComposeModel
) -> Ports:
    """Looks at every port that the platform publishes.

    Args:
        project: The project.
        model: The services that are to run.
        containers: The engine's containers.
        later: Services that may be started one day.
    """
    now = {one.name for one in model.services}
    published = [*model.ports, *(one for one in later.ports if one.service not in now)]
    return Ports(
        platform=model.name,
        published=published,
        containers=containers,
        listeners=listeners(one.port for one in published),
        taken=frozenset(one for one in published if is_taken(one.address, one.port)),
        variables=variables_of_ports(project),
        later=frozenset(one.name for one in later.services) - now,
    )


def variables_of_ports(project: Project) -> dict[int, str]:
    """The variables that set ports, by the ports that they have now."""
    text = "\n".join(project.texts.values())
    told = {one[1]: project.setting(one[1], one[2] or "") for one in _PORT.finditer(text)}
    return {int(value): name for name, value in told.items() if value.isdecimal()}


def judge(ports: Ports) -> list[Finding]:
    """Tells which port is somebody else's, and whose."""
    twice = [
        (first, second)
        for index, first in enumerate(ports.published)
        for second in ports.published[index + 1 :]
        if first.port == second.port and first.service != second.service and _meet(first, second)
    ]
    found = [
        *(_open(port) for port in ports.published if _is_open(port)),
        *(_given_twice(first, second, ports) for first, second in twice),
        *(one for port in ports.published if (one := _judge_one(port, ports))),
    ]
    numbers = ", ".join(str(one.port) for one in ports.published)
    return found or [
        ok(f"ports {numbers} are free, or the platform's own" if numbers else "no ports")
    ]


def _is_open(port: PublishedPort) -> bool:
    is_local = port.address.startswith("127.") or port.address in {"::1", "localhost"}
    return port.service in WITHOUT_PASSWORD and not is_local


def _open(port: PublishedPort) -> Finding:
    return warning(
        f"port {port.port} ({port.service}) is open at {port.address or 'all addresses'}, and asks "
        "nobody for a password",
        in_env("BIND_ADDRESS", "127.0.0.1"),
    )


def _meet(first: PublishedPort, second: PublishedPort) -> bool:
    return _overlap(first.address, second.address)


def _overlap(one: str, other: str) -> bool:
    return one == other or one in ANY or other in ANY


def _given_twice(first: PublishedPort, second: PublishedPort, ports: Ports) -> Finding:
    return _tell(second, ports)(
        f"port {first.port} is given to {first.service} and to {second.service}",
        _another(second.port, ports),
    )


def _judge_one(port: PublishedPort, ports: Ports) -> Finding | None:
    holders = [
        one
        for one in ports.containers
        if one.is_running
        and any(number == port.port and _overlap(at, port.address) for at, number in one.published)
    ]
    if any(one.project == ports.platform for one in holders):
        return None
    if holders:
        text = f"port {port.port} ({port.service}) is taken by the container {holders[0].name}"
        return _tell(port, ports)(
            text, f"docker stop {holders[0].name}, or {_another(port.port, ports)}"
        )
    return _held_by_process(port, ports)


def _held_by_process(port: PublishedPort, ports: Ports) -> Finding | None:
    if ports.listeners is None:
        if port not in ports.taken:
            return None
        return _tell(port, ports)(
            f"port {port.port} ({port.service}) is taken; to see by whom: lsof -i :{port.port}",
            _another(port.port, ports),
        )
    held = [one for one in ports.listeners if one.port == port.port]
    held = [one for one in held if _overlap(one.address, port.address)]
    if not held:
        return None
    hint = "" if held[0].process else f" (sudo ss -ltnp 'sport = :{port.port}' shows it)"
    text = f"port {port.port} ({port.service}) is taken by {held[0].who}{hint}"
    return _tell(port, ports)(text, f"stop it, or {_another(port.port, ports)}")


def _tell(port: PublishedPort, ports: Ports) -> Callable[[str, str], Finding]:
    return warning if port.service in ports.later else problem


def _another(port: int, ports: Ports) -> str:
    used = {one.port for one in ports.published} | set(ports.variables)
    first = port + 1 if port >= FIRST_UNPRIVILEGED else 8000 + port
    free = next(number for number in range(first, 65536) if number not in used)
    return in_env(ports.variables.get(port, "the variable of that port"), str(free))
