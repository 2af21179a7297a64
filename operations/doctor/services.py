"""Do the services run, and are they well?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from operations.command import run
from operations.compose_model import ComposeModel, start_of
from operations.containers import Container
from operations.doctor.findings import Finding, ok, problem, warning
from operations.errors import CommandError

LINE_LENGTH = 200


@dataclass(frozen=True)
class Services:
    """The platform's containers.

    Attributes:
        containers: Those of services.
        expected: The services of the chosen profiles that are to run for good.
        last_lines: The last line of the log of each container that is not well.
        starts: The command that starts each service which `make up` leaves out.
    """

    containers: Sequence[Container]
    expected: frozenset[str]
    last_lines: Mapping[str, str] = field(default_factory=dict)
    starts: Mapping[str, str] = field(default_factory=dict)


def gather(model: ComposeModel, containers: Sequence[Container]) -> Services:
    """Sorts the platform's containers out, and reads the logs of those that are not well."""
    ours = [one for one in containers if one.project == model.name and one.service]
    expected = frozenset(one.name for one in model.services if one.restarts and one.replicas)
    lines = {one.name: last_line(one.name) for one in ours if _is_ill(one)}
    return Services(ours, expected, lines, model.starts)


def last_line(container: str) -> str:
    """The last line of a container's log, cut to what fits on a screen."""
    try:
        command = ["docker", "logs", "--tail", "5", container]
        printed = run(command, seconds=20, with_errors=True)
    except CommandError as error:
        return str(error)
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    return lines[-1][:LINE_LENGTH] if lines else ""


def judge(services: Services) -> list[Finding]:
    """Tells which are not well, and what they say."""
    running = [one for one in services.containers if one.is_running]
    if not services.containers:
        return [ok("the platform does not run; make up starts it")]
    found = [
        *(finding for one in services.containers if (finding := _judge_one(one, services))),
        *_absent(services),
    ]
    return found or [ok(f"{len(running)} services run and are healthy")]


def _is_ill(one: Container) -> bool:
    return not one.is_running or one.health not in {"", "healthy"}


def _judge_one(one: Container, services: Services) -> Finding | None:
    judged = _TROUBLE.get(one.state) or _TROUBLE.get(one.health)
    return (
        judged(one, _says(one, services), start_of(services.starts, [one.service]))
        if judged
        else None
    )


def _says(one: Container, services: Services) -> str:
    """What the engine says of one that it could not start, or else the last line of its log."""
    if one.error and not one.is_running:
        return f"; the engine says: {' '.join(one.error.split())}"
    line = services.last_lines.get(one.name, "")
    return f"; its last line: {line}" if line else ""


def _exited(one: Container, says: str, start: str) -> Finding:
    code = {137: "killed, as for lack of memory", 143: "stopped"}.get(
        one.exit_code, f"status {one.exit_code}"
    )
    return problem(
        f"{one.service} has ended ({code}){says}",
        f"docker compose logs {one.service}; {start} starts it again",
    )


def _restarting(one: Container, says: str, _start: str) -> Finding:
    return problem(
        f"{one.service} ends again and again ({one.restarts} restarts){says}",
        f"docker compose logs {one.service}",
    )


def _unhealthy(one: Container, says: str, _start: str) -> Finding:
    checked = f": {one.tells.splitlines()[-1][:LINE_LENGTH]}" if one.tells else ""
    return problem(
        f"{one.service} runs and is not healthy{checked}{says}",
        f"docker compose logs {one.service}; docker compose restart {one.service}",
    )


def _starting(one: Container, says: str, _start: str) -> Finding:
    return warning(f"{one.service} is starting{says}", "wait a minute, then make doctor again")


def _paused(one: Container, says: str, _start: str) -> Finding:
    return problem(f"{one.service} is paused{says}", f"docker compose unpause {one.service}")


def _created(one: Container, says: str, start: str) -> Finding:
    return problem(f"{one.service} was made and never started{says}", start)


_TROUBLE: Mapping[str, Callable[[Container, str, str], Finding]] = {
    "exited": _exited,
    "dead": _exited,
    "restarting": _restarting,
    "paused": _paused,
    "created": _created,
    "unhealthy": _unhealthy,
    "starting": _starting,
}


def _absent(services: Services) -> list[Finding]:
    there = {one.service for one in services.containers}
    absent = sorted(services.expected - there)
    if not absent:
        return []
    return [warning(f"not started: {', '.join(absent)}", start_of(services.starts, absent))]
