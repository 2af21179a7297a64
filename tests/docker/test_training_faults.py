"""Faults of training: a run, the database or MLflow is killed, and the platform gets over it.

Runs of one model wait for each other, so that each fault hits a run of its own; a retry comes after
the runs that wait already. All runs of a fault are launched first, and their ends awaited last.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import pytest

from tests.docker.engine import engine
from tests.docker.faults import REPEATS, await_health, killed
from tests.docker.platform import PlatformCase, until
from tests.docker.training_cases import (
    MATERIALISED,
    MODEL,
    STARTED,
    STEPS,
    SUCCEEDED,
    Attempt,
    attempts,
    latest_materialisation,
    releases_paused,
    state_files,
    unfinished_runs,
    verified_versions,
)

pytestmark = pytest.mark.docker

PATIENCE = 300
"""Seconds for a run to get where it is hit; it waits for those before it."""
KILLED_IN = ("model", "features", "model", "evaluation", "model")
LONGEST_UNNOTICED = 30
"""Seconds after which a killed run is recorded as failed."""
HALF_WRITTEN = f"/var/lib/ml_assets/data/{MODEL}/.features.parquet.0123abcd~"
"""What `atomic_write` leaves if it is killed; a write of so few rows is hardly ever hit."""
DATABASE_AWAY_IN = ("model", "dataset", "start", "evaluation", "promotion")
DATABASE_SECONDS = 10
ASKERS = 8
"""Requests at a time, each of which makes the webserver take a connection."""
BEGUN = {"STARTING", "STARTED"}
MLFLOW_AWAY_AFTER = (0, 3, 1, 4, 2)
"""Seconds into the step `model`: it begins to log after one to three."""
MLFLOW_SECONDS = 5


@dataclass(frozen=True)
class KilledRun:
    """A run whose container was killed in the middle of a step.

    Attributes:
        step: The step.
        at: When, in seconds since 1970.
        attempts: The run, and those that took its place.
    """

    step: str
    at: float
    attempts: list[Attempt]


@pytest.fixture(scope="module", autouse=True)
def _no_releases(platform: PlatformCase) -> Iterator[None]:
    with releases_paused(platform):
        yield


@pytest.fixture(scope="module")
def killed_runs(platform: PlatformCase) -> list[KilledRun]:
    steps = list(islice(cycle(KILLED_IN), REPEATS))
    runs = [platform.train() for _ in steps]
    times = [kill_in(platform, run, step) for run, step in zip(runs, steps, strict=True)]
    tried = [attempts(platform, run) for run in runs]
    return [KilledRun(*killed) for killed in zip(steps, times, tried, strict=True)]


def kill_in(platform: PlatformCase, run: str, step: str) -> float:
    """Kills a run in a step, half way through a file; returns when, in seconds since 1970."""
    platform.wait_for_step(run, step, seconds=PATIENCE)
    container = platform.run_container(run)
    engine("exec", container, "sh", "-c", f"echo PAR1 > {HALF_WRITTEN}")
    engine("kill", container)
    return time.time()


def test_killed_run_is_failed_within_30_s(killed_runs: list[KilledRun]) -> None:
    assert [run.attempts[0].status for run in killed_runs] == ["FAILURE"] * REPEATS
    delays = [run.attempts[0].ended_at - run.at for run in killed_runs]
    assert max(delays) <= LONGEST_UNNOTICED, delays


def test_killed_run_is_retried_once_and_succeeds(killed_runs: list[KilledRun]) -> None:
    ends = [[attempt.status for attempt in run.attempts] for run in killed_runs]
    assert ends == [["FAILURE", "SUCCESS"]] * REPEATS


def test_retry_goes_on_from_the_last_good_asset(killed_runs: list[KilledRun]) -> None:
    for run in killed_runs:
        first, retry = run.attempts
        good = first.steps(MATERIALISED)
        assert run.step in first.steps(STARTED)
        assert good == first.steps(SUCCEEDED) == STEPS[: len(good)]
        assert retry.steps(STARTED) == STEPS[len(good) :]


def test_no_half_written_file_is_left(platform: PlatformCase, killed_runs: list[KilledRun]) -> None:
    files = state_files(platform)
    assert files["unfinished"] == []
    assert files["half"] == []
    assert any(path.endswith("training_set.parquet") for path in files["whole"])


def test_versions_of_killed_runs_are_whole(
    platform: PlatformCase, killed_runs: list[KilledRun], tmp_path: Path
) -> None:
    assert len(verified_versions(platform, tmp_path)) >= REPEATS


@pytest.fixture(scope="module")
def runs_without_database(platform: PlatformCase) -> list[list[Attempt]]:
    moments = list(islice(cycle(DATABASE_AWAY_IN), REPEATS))
    runs = [platform.train() for _ in moments]
    for run, moment in zip(runs, moments, strict=True):
        await_moment(platform, run, moment)
        with killed(platform, "postgres"):
            time.sleep(DATABASE_SECONDS)
    return [attempts(platform, run) for run in runs]


def await_moment(platform: PlatformCase, run: str, moment: str) -> None:
    """Waits until a step of a run has begun, or until its container is being started."""
    if moment == "start":
        until(lambda: platform.dagster.news(run).status in BEGUN, seconds=PATIENCE, what="a start")
    else:
        platform.wait_for_step(run, moment, seconds=PATIENCE)


def test_runs_succeed_that_lost_the_database(runs_without_database: list[list[Attempt]]) -> None:
    ends = [[attempt.status for attempt in tried] for tried in runs_without_database]
    assert [statuses[-1] for statuses in ends] == ["SUCCESS"] * REPEATS, ends


@pytest.mark.parametrize("kind", [SUCCEEDED, MATERIALISED])
def test_no_event_is_lost_with_the_database(
    runs_without_database: list[list[Attempt]], kind: str
) -> None:
    for tried in runs_without_database:
        # A step whose success could not be recorded any more is done again.
        assert [*dict.fromkeys(step for one in tried for step in one.steps(kind))] == STEPS
        assert tried[-1].steps(STARTED) == tried[-1].steps(kind)


def test_latest_materialisations_are_those_of_the_last_run(
    platform: PlatformCase, runs_without_database: list[list[Attempt]]
) -> None:
    last = max((tried[-1] for tried in runs_without_database), key=lambda run: run.ended_at)
    for asset in last.steps(MATERIALISED):
        assert latest_materialisation(platform, asset) == last.run


def test_no_run_goes_on_for_ever(
    platform: PlatformCase, runs_without_database: list[list[Attempt]]
) -> None:
    assert unfinished_runs(platform) == []


def test_services_are_healthy_that_lost_the_database(
    platform: PlatformCase, runs_without_database: list[list[Attempt]]
) -> None:
    for container in platform.compose("ps", "--all", "--format={{.Name}}").stdout.split():
        await_health(container)


def test_webserver_answers_as_soon_as_the_database_is_back(platform: PlatformCase) -> None:
    for _ in range(REPEATS):
        with killed(platform, "postgres"):
            pass
        with ThreadPoolExecutor(ASKERS) as askers:
            assert [*askers.map(unfinished_runs, [platform] * ASKERS)] == [[]] * ASKERS


@pytest.fixture(scope="module")
def runs_without_mlflow(
    platform: PlatformCase, tmp_path_factory: pytest.TempPathFactory
) -> list[list[Attempt]]:
    """Whenever MLflow is back, the versions that it shows are compared with their sha256."""
    moments = list(islice(cycle(MLFLOW_AWAY_AFTER), REPEATS))
    runs = [platform.train() for _ in moments]
    newest = platform.registry.require(MODEL, "staging").version
    for run, seconds in zip(runs, moments, strict=True):
        platform.wait_for_step(run, "model", seconds=PATIENCE)
        time.sleep(seconds)
        with killed(platform, "mlflow"):
            time.sleep(MLFLOW_SECONDS)
        directory = tmp_path_factory.mktemp("models")
        newest = max([newest, *verified_versions(platform, directory, after=newest)])
    return [attempts(platform, run) for run in runs]


def test_a_model_is_logged_when_mlflow_is_back(runs_without_mlflow: list[list[Attempt]]) -> None:
    ends = [[attempt.status for attempt in tried] for tried in runs_without_mlflow]
    assert ends == [["SUCCESS"]] * REPEATS


def test_versions_are_whole_that_were_logged_without_mlflow(
    platform: PlatformCase, runs_without_mlflow: list[list[Attempt]], tmp_path: Path
) -> None:
    newest = platform.registry.require(MODEL, "staging").version
    assert newest in verified_versions(platform, tmp_path)


def test_a_new_run_succeeds_after_mlflow_was_away(
    platform: PlatformCase, runs_without_mlflow: list[list[Attempt]]
) -> None:
    assert platform.wait_for_end(platform.train()).status == "SUCCESS"
