"""Rounds: a model is trained in containers and released, then trained without containers."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.handover import HandoverTimes, add_customer, check, roll_back
from benchmarks.job import JobRun, run_job_in
from benchmarks.own_platform import OwnPlatform
from benchmarks.run_times import RunTimes, Span, run_times
from ml_assets.resources.version_files import RegisteredVersion
from run_containers.labels import PLATFORM_LABEL
from serving.release.engine import docker
from serving.release.partitions import partition_key
from serving.runtime.errors import MLAssetsError

PATIENCE_SECONDS = 600
POLL_SECONDS = 1.0
FAILED = {"FAILURE", "CANCELED"}


class MissingReleaseError(MLAssetsError):
    """A version that went into production is not released."""


class BusyPlatformError(MLAssetsError):
    """Runs go on that should have ended."""


@dataclass(frozen=True)
class Command:
    """A `make train` in containers.

    Attributes:
        span: From its start to its end.
        run: The run that it launched.
    """

    span: Span
    run: RunTimes

    @property
    def parts(self) -> dict[str, float]:
        """Seconds of every part; together the whole command."""
        return {
            "command to enqueued": self.run.queue.start - self.span.start,
            **self.run.parts,
            "last step to end": self.span.end - self.run.work.end,
        }


@dataclass(frozen=True)
class Round:
    """A model trained in containers and released, and trained without containers after that.

    Attributes:
        version: What came into production on the platform.
        command: How it was trained.
        promoted: When its promotion was recorded, just before the alias moved; seconds since 1970.
        release: The run that built, proved and pushed its image.
        handover: What its customer got.
        rollback: Seconds of the way back to the version before, and None without one; the round
            after it begins from there.
        job: The job of `make run`.
    """

    version: RegisteredVersion
    command: Command
    promoted: float
    release: RunTimes
    handover: HandoverTimes
    rollback: float | None
    job: JobRun

    @property
    def ratio(self) -> float:
        """Time of `make train` in containers, divided by that of `make run` up to its service."""
        return self.command.span.seconds / self.job.training_seconds

    @property
    def release_seconds(self) -> float:
        """From the alias to the pushed image."""
        return self.release.steps["push"].end - self.promoted

    @property
    def summary(self) -> str:
        """The three times of the round in a line."""
        times = {
            "make train": self.command.span.seconds,
            "make run": self.job.training_seconds,
            "release": self.release_seconds,
        }
        return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in times.items())

    @property
    def release_parts(self) -> dict[str, float]:
        """Seconds of every part of the release."""
        return {
            "alias moved to seen": self.release.queue.start - self.promoted
        } | self.release.parts


def measure(platform: OwnPlatform, model: str, *, repeats: int) -> Iterator[Round]:
    """Rounds on a platform; from one to the next, both kinds of training keep their state.

    Raises:
        ComposeError: The command of a training failed.
        CalledProcessError: The job without containers failed.
        MissingReleaseError: A release failed, or is not there after ten minutes.
        BusyPlatformError: Containers of runs are still there after ten minutes.
    """
    add_customer(platform)
    with TemporaryDirectory() as home:
        for _ in range(repeats):
            command = _train(platform, model)
            promotion = [one for one in platform.registry.promotions(model) if not one.rollback][-1]
            release = _released(platform, partition_key(model, promotion.version))
            handover = check(platform, model)
            before = promotion.from_version
            rollback = roll_back(platform, model, to=before) if before else None
            _await_quiet(platform)
            job = run_job_in(Path(home), model=model)
            version = platform.registry.version(model, promotion.version)
            promoted = promotion.when.timestamp()
            yield Round(version, command, promoted, release, handover, rollback, job)


def _train(platform: OwnPlatform, model: str) -> Command:
    started = time.time()
    platform.compose("run", "--rm", "--no-deps", "train", MODEL=model)
    span = Span(started, time.time())
    newest = platform.runs(f"{model}_train")[0]
    return Command(span, run_times(platform.dagster, newest["runId"]))


def _released(platform: OwnPlatform, key: str) -> RunTimes:
    """The run that has released the version of a partition, once it has ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for run in platform.runs("release"):
            if run["tags"].get("dagster/partition") != key:
                continue
            if run["status"] in FAILED:
                raise MissingReleaseError(f"the release of {key} ended as {run['status'].lower()}")
            if run["status"] == "SUCCESS":
                return run_times(platform.dagster, run["runId"])
        time.sleep(POLL_SECONDS)
    raise MissingReleaseError(f"{key} is not released after {PATIENCE_SECONDS} s")


def _await_quiet(platform: OwnPlatform) -> None:
    """Waits until the containers of runs are gone, so that what comes next has the machine.

    Raises:
        BusyPlatformError: They are not.
    """
    label = f"--filter=label={PLATFORM_LABEL}={platform.name}"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while docker("ps", "--all", "--quiet", label):
        if time.monotonic() > deadline:
            raise BusyPlatformError(f"runs still go on after {PATIENCE_SECONDS} s")
        time.sleep(POLL_SECONDS)
