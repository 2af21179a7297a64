"""A platform of its own for tests, and what they ask of it."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.own_platform import OwnPlatform
from commands.following import ENDED, RETRIED_AS, WILL_RETRY
from commands.platform import News
from run_containers.labels import PLATFORM_LABEL, RUN_LABEL
from tests.docker.engine import engine

SENSOR = {
    "repositoryLocationName": "release",
    "repositoryName": "__repository__",
    "sensorName": "promoted_models",
}


class PlatformCase(OwnPlatform):
    """A running platform and what tests ask of it."""

    def container(self, service: str) -> str:
        """Name of the container of a service."""
        return f"{self.name}-{service}-1"

    def run_container(self, run: str) -> str:
        """Id of the container of a run, once it runs."""
        wanted = ("ps", "--quiet", "--filter", f"label={RUN_LABEL}={run}")
        return until(lambda: engine(*wanted), seconds=60, what=f"the container of run {run}")

    def run_containers(self) -> Sequence[str]:
        """Names of all containers of runs, ended ones too."""
        label = f"label={PLATFORM_LABEL}={self.name}"
        return engine("ps", "--all", "--filter", label, "--format", "{{.Names}}").split()

    def train(self, model: str = "iris") -> str:
        """Launches the training of a model; returns the run's id."""
        return self.dagster.launch(f"{model}_train", {})

    def wait_for_step(self, run: str, step: str, *, seconds: float = 120) -> None:
        """Waits until a step of a run has begun."""

        def has_begun() -> bool:
            events = self.dagster.news(run).events
            return any(
                event["__typename"] == "ExecutionStepStartEvent"
                and str(event["stepKey"]).rpartition("__")[2] == step
                for event in events
            )

        until(has_begun, seconds=seconds, what=f"step {step} of run {run}")

    def wait_for_end(self, run: str, *, seconds: float = 300) -> News:
        """Waits until a run has ended; returns all its events."""
        until(
            lambda: self.dagster.news(run).status in ENDED,
            seconds=seconds,
            what=f"the end of run {run}",
        )
        # The webserver reads the events first and the status after them.
        return self.dagster.news(run)

    def retry_of(self, run: str, *, seconds: float = 60) -> str:
        """The run that Dagster launched in place of a failed one."""
        return until(
            lambda: self.dagster.news(run).tags.get(RETRIED_AS),
            seconds=seconds,
            what=f"a retry of {run}",
        )

    def released(self, partition: str, *, seconds: float = 400) -> dict[str, Any]:
        """The first release of a model version that has succeeded, once there is one.

        Raises:
            AssertionError: There is none in that time, or the last one failed for good.
        """

        def releases() -> list[dict[str, Any]]:
            runs = [
                run
                for run in self.runs("release")
                if run["tags"].get("dagster/partition") == partition
            ]
            succeeded = [run for run in runs if run["status"] == "SUCCESS"]
            given_up = [run for run in runs[:1] if run["tags"].get(WILL_RETRY) == "false"]
            return succeeded or given_up

        release: dict[str, Any]
        *_, release = until(releases, seconds=seconds, what=f"the release of {partition}")
        assert release["status"] == "SUCCESS", release
        return release


def until(condition: Callable[[], Any], *, seconds: float, what: str) -> Any:
    """The first answer of ``condition`` that is true; platforms may be away in between."""
    deadline = time.monotonic() + seconds
    last: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except Exception as error:  # noqa: BLE001  told at the end
            last = error
        time.sleep(0.25)
    raise AssertionError(f"waited {seconds:.0f} s for {what}; last error: {last}")
