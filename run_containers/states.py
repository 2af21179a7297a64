"""Tells the state of the platform's containers in a file, for the exporter of metrics.

Few services have the engine's socket, and those that have it take no requests. So the run keeper
writes what it sees, in Prometheus' text format, and the exporter `platform_metrics` passes it on.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path

import docker
from docker.models.containers import Container

from run_containers.trouble import PASSING_ERRORS, RoundError, Trouble, UnexpectedStateError

STATES_FILE = "/var/lib/dagster/storage/platform/containers.prom"
INTERVAL_SECONDS = 15
ANSWER_SECONDS = 10
PROJECT, SERVICE, ONE_OFF = (
    f"com.docker.compose.{name}" for name in ("project", "service", "oneoff")
)

State = Mapping[str, object]
Figure = Callable[[Container], float | None]


class ContainerStates:
    """A file that tells the states of the containers of one platform's services."""

    def __init__(self, platform: str, path: Path) -> None:
        self._platform = platform
        self._path = path
        self._written = -float(INTERVAL_SECONDS)

    def make_round(self) -> None:
        """Writes the file, if it was not written in the last 15 seconds.

        Raises:
            RoundError: The engine does not answer or tells what can't be read, or the file can't be
                written.
        """
        if time.monotonic() - self._written < INTERVAL_SECONDS:
            return
        try:
            self._write(as_text(self._containers()))
        except PASSING_ERRORS as error:
            raise RoundError([Trouble.of(error)]) from error
        self._written = time.monotonic()

    @cached_property
    def _engine(self) -> docker.DockerClient:
        return docker.from_env(timeout=ANSWER_SECONDS)

    def _containers(self) -> list[Container]:
        labels = [f"{PROJECT}={self._platform}", f"{ONE_OFF}=False"]
        listed = self._engine.containers.list(
            all=True, filters={"label": labels}, ignore_removed=True
        )
        return sorted(listed, key=lambda container: str(container.name))

    def _write(self, text: str) -> None:
        """Whoever reads the file sees all of it, or the one before."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_name(f"{self._path.name}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(self._path)


def as_text(containers: Iterable[Container]) -> str:
    """The states of containers, in the text format of Prometheus.

    Raises:
        UnexpectedStateError: That of one can't be read.
    """
    all_of_them = [*containers]
    lines = []
    for name, kind, told, figure in _FIGURES:
        lines += [f"# HELP {name} {told}", f"# TYPE {name} {kind}"]
        for container in all_of_them:
            lines += _samples(name, figure, container)
    return "\n".join((*lines, ""))


def _samples(name: str, figure: Figure, container: Container) -> list[str]:
    try:
        value = figure(container)
        return [] if value is None else [f"{name}{_labels(container)} {value}"]
    except (KeyError, TypeError, ValueError) as error:
        raise UnexpectedStateError(f"no {name} of {container.name}: {error!r}") from error


def _labels(container: Container) -> str:
    return f'{{service="{container.labels[SERVICE]}",container="{container.name}"}}'


def _state(container: Container) -> State:
    state: State = container.attrs["State"]
    return state


def _is_running(container: Container) -> float:
    return float(_state(container)["Status"] == "running")


def _is_healthy(container: Container) -> float | None:
    health = _state(container).get("Health")
    return float(health["Status"] == "healthy") if isinstance(health, dict) else None


def _was_out_of_memory(container: Container) -> float:
    return float(bool(_state(container)["OOMKilled"]))


def _started(container: Container) -> float | None:
    """Seconds since 1970; the engine tells the year 1 of a container that never started."""
    began = datetime.fromisoformat(str(_state(container)["StartedAt"]))
    return began.timestamp() if began.year > 1 else None


def _restarts(container: Container) -> float:
    return float(container.attrs["RestartCount"])


_FIGURES: tuple[tuple[str, str, str, Figure], ...] = (
    ("platform_container_running", "gauge", "Whether a container runs.", _is_running),
    (
        "platform_container_healthy",
        "gauge",
        "Whether the health check of a container passes; not while it is starting.",
        _is_healthy,
    ),
    (
        "platform_container_out_of_memory",
        "gauge",
        "Whether the kernel ended it, the last time, for its use of memory.",
        _was_out_of_memory,
    ),
    (
        "platform_container_start_timestamp_seconds",
        "gauge",
        "When a container was started last.",
        _started,
    ),
    (
        "platform_container_restarts_total",
        "counter",
        "How often the engine started it again.",
        _restarts,
    ),
)
