"""Looks after the containers of runs, beside the records that Dagster has of them.

| the run is | its container | what a round does |
|---|---|---|
| being cancelled | runs | SIGTERM, and SIGKILL 10 s later; Dagster's worker records the end |
| being cancelled | has ended | records that the run was cancelled |
| finished | still runs 10 s later | SIGTERM, and SIGKILL 10 s later |
| finished or deleted | has ended | keeps its output, and removes it |
| finished or deleted | never started | removes it |
| anything else | whatever | nothing: Dagster's run monitoring fails a run that lost its worker |

A container's output becomes the file ``container-<id>.out`` beside the compute logs of its run,
``$DAGSTER_HOME/storage/<run id>/compute_logs/``. People find the address at which Dagster's
webserver has it, ``/logs/<run id>/compute_logs/container-<id>/out``, among the run's events.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from itertools import groupby
from pathlib import Path

import docker
from dagster import DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter
from docker.errors import APIError
from docker.models.containers import Container

from run_containers.container_log import log_key, store_output
from run_containers.labels import PLATFORM_LABEL, RUN_LABEL
from run_containers.trouble import PASSING_ERRORS, RoundError, Trouble

ANSWER_SECONDS = 10
LINGER_SECONDS = 10
STOP_SECONDS = 10
ENDED = ("exited", "dead")
NEVER_STARTED = "created"
BEING_REMOVED = "removing"

_log = logging.getLogger(__name__)


class RunKeeper:
    """Stops, records and removes the run containers of one platform, a round at a time."""

    def __init__(self, platform: str) -> None:
        self._platform = platform
        self._asked: dict[str, float] = {}

    def make_round(self) -> None:
        """Does for every container what is due now; what fails for one run holds up no other.

        Raises:
            RoundError: The engine or the database does not answer, or an output can't be kept.
        """
        troubles = []
        for record, containers in self._runs():
            try:
                self._look_after(record, containers)
            except PASSING_ERRORS as error:
                troubles.append(Trouble.of(error))
        if troubles:
            raise RoundError(troubles)

    @cached_property
    def _engine(self) -> docker.DockerClient:
        return docker.from_env(timeout=ANSWER_SECONDS)

    @cached_property
    def _instance(self) -> DagsterInstance:
        return DagsterInstance.get()

    def _runs(self) -> list[tuple[RunRecord | None, list[Container]]]:
        """Each run that has containers, with all of them; no record if the run was deleted."""
        try:
            containers = sorted(self._containers(), key=_run_id)
            records = self._records({_run_id(container) for container in containers})
        except PASSING_ERRORS as error:
            raise RoundError([Trouble.of(error)]) from error
        runs = groupby(containers, key=_run_id)
        return [(records.get(run_id), list(of_run)) for run_id, of_run in runs]

    def _containers(self) -> list[Container]:
        labels = [RUN_LABEL, f"{PLATFORM_LABEL}={self._platform}"]
        listed = self._engine.containers.list(
            all=True, filters={"label": labels}, ignore_removed=True
        )
        return [container for container in listed if container.status != BEING_REMOVED]

    def _records(self, run_ids: set[str]) -> Mapping[str, RunRecord]:
        """Read after the containers: a worker that has ended then has written its last word."""
        if not run_ids:
            return {}
        records = self._instance.get_run_records(RunsFilter(run_ids=sorted(run_ids)))
        return {record.dagster_run.run_id: record for record in records}

    def _look_after(self, record: RunRecord | None, containers: Sequence[Container]) -> None:
        """Does what is due for the containers of one run; more than one if it was resumed."""
        if record is None or record.dagster_run.is_finished:
            self._clear_away(record, containers)
        elif record.dagster_run.status is DagsterRunStatus.CANCELING:
            self._cancel(record, containers)

    def _cancel(self, record: RunRecord, containers: Sequence[Container]) -> None:
        running = [container for container in containers if _is_running(container)]
        for container in running:
            self._stop(container)
        if not running and any(container.status in ENDED for container in containers):
            self._instance.report_run_canceled(
                record.dagster_run, message="Cancelled: the container has ended."
            )

    def _clear_away(self, record: RunRecord | None, containers: Sequence[Container]) -> None:
        for container in containers:
            if not _is_running(container):
                self._keep_and_remove(record, container)
            elif record is not None and _has_lingered(record):
                self._stop(container)

    def _stop(self, container: Container) -> None:
        """Asks a container to end, and ends it if it was asked a while ago; does not wait."""
        asked = self._asked.get(container.id)
        if asked is None:
            _log.info("stopping %s", container.name)
            _signal(container, "SIGTERM")
            self._asked[container.id] = time.monotonic()
        elif time.monotonic() - asked >= STOP_SECONDS:
            _log.info("killing %s, which did not stop in %d s", container.name, STOP_SECONDS)
            _signal(container, "SIGKILL")

    def _keep_and_remove(self, record: RunRecord | None, container: Container) -> None:
        """In this order: a container whose output is not on the disk stays."""
        if container.status in ENDED:
            store_output(container, self._output_path(container))
        _remove(container)
        self._asked.pop(container.id, None)
        if container.status in ENDED and record is not None:
            self._instance.report_engine_event(_last_words(container), record.dagster_run)

    def _output_path(self, container: Container) -> Path:
        *directories, name = log_key(_run_id(container), container.id)
        return Path(self._instance.storage_directory(), *directories, f"{name}.out")


def _run_id(container: Container) -> str:
    run_id: str = container.labels[RUN_LABEL]
    return run_id


def _is_running(container: Container) -> bool:
    return container.status not in (*ENDED, NEVER_STARTED)


def _has_lingered(record: RunRecord) -> bool:
    """Whether a run finished so long ago that its worker should have ended."""
    return time.time() - (record.end_time or 0) >= LINGER_SECONDS


def _last_words(container: Container) -> str:
    address = "/".join(("/logs", *log_key(_run_id(container), container.id), "out"))
    code = container.attrs["State"]["ExitCode"]
    return f"Container {container.name} ended with exit code {code}. Its output is at {address}"


def _signal(container: Container, name: str) -> None:
    with _unless_it_changed():
        container.kill(signal=name)


def _remove(container: Container) -> None:
    with _unless_it_changed():
        container.remove(v=True)  # with volumes that have no name
    _log.info("removed %s", container.name)


@contextmanager
def _unless_it_changed() -> Iterator[None]:
    """Lets pass that a container ended, started or went since the round began; the next one sees.

    The engine answers 404 if there is no such container, 409 if its state forbids what is asked.
    """
    try:
        yield
    except APIError as error:
        if error.status_code not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
            raise
