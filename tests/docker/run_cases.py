"""A platform of its own with a Dagster instance in SQLite, whose containers are real."""

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import docker
import pytest
from dagster._core.test_utils import create_run_for_test
from docker.errors import DockerException, ImageNotFound, NotFound
from docker.models.containers import Container

from run_containers.keeper import RunKeeper
from run_containers.labels import PLATFORM_LABEL, RUN_LABEL

IMAGE = "python:3.11.14-slim-bookworm"
FOR_EVER = "trap 'echo was asked to stop; exit 0' TERM; while :; do sleep 0.1; done"
STUBBORN = "trap '' TERM; while :; do sleep 0.1; done"


@contextmanager
def engine_with_image() -> Iterator[docker.DockerClient]:
    """The engine of this machine, or a skipped test."""
    try:
        client = docker.from_env()
    except DockerException as error:
        pytest.skip(f"no Docker Engine answers: {error}")
    try:
        client.images.get(IMAGE)
    except ImageNotFound:
        client.images.pull(IMAGE)
    with closing(client):
        yield client


@dataclass
class RunCase:
    """An instance, a keeper, and the containers that a test starts."""

    engine: docker.DockerClient
    instance: dg.DagsterInstance
    platform: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        self.keeper = RunKeeper(self.platform)

    def run(self) -> dg.DagsterRun:
        """A new run that has started."""
        return create_run_for_test(self.instance, "oven", status=dg.DagsterRunStatus.STARTED)

    def status(self, run: dg.DagsterRun) -> dg.DagsterRunStatus:
        found = self.instance.get_run_by_id(run.run_id)
        assert found is not None
        return found.status

    def messages(self, run: dg.DagsterRun) -> list[str]:
        return [
            log.dagster_event.message or ""
            for log in self.instance.all_logs(run.run_id)
            if log.dagster_event
        ]

    def start(self, run: dg.DagsterRun, script: str, *, platform: str | None = None) -> Container:
        """Starts a shell script as the run's worker."""
        container = self.create(run, script, platform=platform)
        container.start()
        container.reload()
        return container

    def create(self, run: dg.DagsterRun, script: str, *, platform: str | None = None) -> Container:
        labels = {RUN_LABEL: run.run_id, PLATFORM_LABEL: platform or self.platform}
        return self.engine.containers.create(IMAGE, ["sh", "-c", script], labels=labels)

    def ended(self, run: dg.DagsterRun, script: str = "true") -> Container:
        container = self.start(run, script)
        container.wait()
        return container

    def outputs(self, run: dg.DagsterRun) -> Sequence[Path]:
        return sorted(Path(self.instance.storage_directory(), run.run_id).rglob("container-*"))

    def remove_containers(self) -> None:
        label = f"{PLATFORM_LABEL}={self.platform}"
        for container in self.engine.containers.list(
            all=True, filters={"label": label}, ignore_removed=True
        ):
            container.remove(force=True)


@contextmanager
def opened_case() -> Iterator[RunCase]:
    """A case with the instance of ``DAGSTER_HOME``; its containers go with it."""
    with engine_with_image() as engine, dg.DagsterInstance.get() as instance:
        case = RunCase(engine, instance)
        try:
            yield case
        finally:
            case.remove_containers()


def exists(container: Container) -> bool:
    try:
        container.reload()
    except NotFound:
        return False
    return True


def still_runs(container: Container) -> bool:
    """Whether a container runs on, half a second after it could have got a signal."""
    time.sleep(0.5)
    container.reload()
    running: bool = container.status == "running"
    return running
