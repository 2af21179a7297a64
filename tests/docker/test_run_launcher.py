"""Runs that the launcher of `dagster.yaml` starts: Dagster's own worker in a real container."""

import logging
import os
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.code_pointer import FileCodePointer
from dagster._core.launcher.base import WorkerStatus
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._daemon.monitoring.run_monitoring import monitor_started_run
from docker.errors import DockerException
from docker.models.containers import Container

from tests.docker import waiting_job
from tests.docker.run_cases import IMAGE, RunCase, opened_case

pytestmark = pytest.mark.docker

SECONDS = 60


@pytest.fixture
def case(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunCase]:
    (home / "dagster" / "dagster.yaml").write_text(yaml.safe_dump(settings(home)))
    with opened_case() as case:
        monkeypatch.setenv("PLATFORM_NAME", case.platform)
        yield case


def settings(home: Path) -> dict[str, object]:
    """The container gets the packages of this environment; its image has nothing but Python."""
    tests = Path(waiting_job.__file__).parent
    packages = sysconfig.get_path("purelib")
    container = {
        "volumes": [f"{home}:{home}", f"{packages}:/packages:ro", f"{tests}:/code:ro"],
        "user": f"{os.getuid()}:{os.getgid()}",
        "labels": {"kind": "test"},
    }
    launcher = {
        "module": "run_containers.launcher",
        "class": "RunContainerLauncher",
        "config": {"env_vars": ["PYTHONPATH=/packages"], "container_kwargs": container},
    }
    return {"run_launcher": launcher, "run_monitoring": {"enabled": True}}


def launch(case: RunCase) -> dg.DagsterRun:
    origin = RepositoryPythonOrigin(
        executable_path="python3",
        code_pointer=FileCodePointer("/code/waiting_job.py", "waiting", "/code"),
        container_image=IMAGE,
        entry_point=["python3", "-m", "dagster"],
    )
    job = waiting_job.waiting
    run = case.instance.create_run_for_job(job, job_code_origin=JobPythonOrigin(job.name, origin))
    case.instance.launch_run(run.run_id, workspace=None)
    return run


def started(case: RunCase) -> dg.DagsterRun:
    """A run whose step is at work."""
    run = launch(case)
    until(lambda: any("STEP_START" in str(log) for log in case.instance.all_logs(run.run_id)))
    return run


def container_of(case: RunCase, run: dg.DagsterRun) -> Container:
    [container] = case.engine.containers.list(
        all=True, filters={"label": f"ml-assets.run={run.run_id}"}
    )
    return container


def record_of(case: RunCase, run: dg.DagsterRun) -> dg.RunRecord:
    record = case.instance.get_run_record_by_id(run.run_id)
    assert record is not None
    return record


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.2)


def test_container_has_a_readable_name_and_the_labels_by_which_it_is_found(case: RunCase) -> None:
    run = launch(case)
    container = container_of(case, run)
    assert container.name == f"{case.platform}-waiting-{run.run_id[:8]}"
    assert container.labels["ml-assets.platform"] == case.platform
    assert container.labels["kind"] == "test"
    assert container.labels["dagster/run_id"] == run.run_id


def test_cancelled_run_is_stopped_recorded_and_cleared_away(case: RunCase) -> None:
    run = started(case)
    assert case.instance.run_launcher.terminate(run.run_id)

    def is_cleared_away() -> bool:
        case.keeper.make_round()
        return not case.engine.containers.list(
            all=True, filters={"label": f"ml-assets.run={run.run_id}"}
        )

    until(is_cleared_away)
    assert case.status(run) is dg.DagsterRunStatus.CANCELED
    assert "Cancelled: the container has ended." not in case.messages(run), "its worker says so"
    [output] = case.outputs(run)
    assert "at work" in output.read_text()


def test_run_whose_container_is_gone_is_failed_by_run_monitoring(case: RunCase) -> None:
    run = started(case)
    container_of(case, run).remove(force=True)
    monitor_started_run(case.instance, None, record_of(case, run), logging.getLogger())
    assert case.status(run) is dg.DagsterRunStatus.FAILURE


def test_run_whose_container_was_killed_is_failed_by_run_monitoring(case: RunCase) -> None:
    run = started(case)
    container_of(case, run).kill()
    monitor_started_run(case.instance, None, record_of(case, run), logging.getLogger())
    assert case.status(run) is dg.DagsterRunStatus.FAILURE


def test_run_goes_on_for_run_monitoring_while_the_engine_is_away(
    case: RunCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started(case)
    with monkeypatch.context() as away, pytest.raises(DockerException):
        away.setenv("DOCKER_HOST", "unix:///nowhere.sock")
        monitor_started_run(case.instance, None, record_of(case, run), logging.getLogger())
    assert case.status(run) is dg.DagsterRunStatus.STARTED
    health = case.instance.run_launcher.check_run_worker_health(record_of(case, run).dagster_run)
    assert health.status is WorkerStatus.RUNNING


def test_resumed_run_gets_a_second_container_with_a_name_of_its_own(case: RunCase) -> None:
    run = started(case)
    first = container_of(case, run)
    first.kill()
    case.instance.resume_run(run.run_id, None, 1)
    [second] = case.engine.containers.list(filters={"label": f"ml-assets.run={run.run_id}"})
    assert second.name == f"{first.name}-{first.id[:8]}"
