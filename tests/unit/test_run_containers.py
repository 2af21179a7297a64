"""Run containers, as far as they need no Docker Engine."""

import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.test_utils import create_run_for_test
from sqlalchemy.exc import OperationalError

from run_containers import heartbeat
from run_containers.__main__ import main
from run_containers.keeper import RunKeeper
from run_containers.labels import container_name, platform_name
from run_containers.launcher import RunContainerLauncher
from run_containers.service import LONGEST_WAIT_SECONDS, Rounds
from run_containers.trouble import DATABASE, Trouble
from tests.conftest import ROOT

NOWHERE = "unix:///nowhere/docker.sock"
RUN_ID = "3f2a9c1d-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def without_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", NOWHERE)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("PLATFORM_NAME", raising=False)


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """An instance with our launcher, as `dagster.yaml` names it."""
    launcher = {"module": "run_containers.launcher", "class": "RunContainerLauncher"}
    (home / "dagster" / "dagster.yaml").write_text(yaml.safe_dump({"run_launcher": launcher}))
    with dg.DagsterInstance.get() as instance:
        yield instance


def started_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    return create_run_for_test(instance, "oven", status=dg.DagsterRunStatus.STARTED)


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def test_run_is_cancelled_without_an_engine(instance: dg.DagsterInstance) -> None:
    run = started_run(instance)
    assert instance.run_launcher.terminate(run.run_id)
    assert status(instance, run) is dg.DagsterRunStatus.CANCELING


def test_run_that_is_being_cancelled_is_not_cancelled_again(instance: dg.DagsterInstance) -> None:
    run = started_run(instance)
    for _ in range(2):
        assert instance.run_launcher.terminate(run.run_id)
    cancelling = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_CANCELING)
    assert len(cancelling) == 1


def test_finished_run_is_not_cancelled(instance: dg.DagsterInstance) -> None:
    run = started_run(instance)
    instance.report_run_failed(run)
    assert not instance.run_launcher.terminate(run.run_id)
    assert status(instance, run) is dg.DagsterRunStatus.FAILURE


def test_unknown_run_is_not_cancelled(instance: dg.DagsterInstance) -> None:
    assert not instance.run_launcher.terminate(RUN_ID)


def test_containers_that_remove_themselves_are_refused(instance: dg.DagsterInstance) -> None:
    launcher = RunContainerLauncher(container_kwargs={"auto_remove": True})
    with pytest.raises(dg.DagsterInvariantViolationError, match="auto_remove"):
        launcher.get_container_context(started_run(instance))


@pytest.mark.parametrize("given", [{"kind": ""}, ["kind"]])
def test_labels_of_the_configuration_are_kept_beside_ours(
    instance: dg.DagsterInstance, given: object
) -> None:
    launcher = RunContainerLauncher(container_kwargs={"labels": given})
    run = started_run(instance)
    assert launcher.get_container_context(run).container_kwargs["labels"] == {
        "kind": "",
        "ml-assets.run": run.run_id,
        "ml-assets.platform": "ml-assets",
    }


def test_empty_platform_name_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_NAME", "")
    assert platform_name() == "ml-assets"


def test_container_has_the_names_of_platform_job_and_run() -> None:
    assert container_name("iris_train", RUN_ID) == "ml-assets-iris_train-3f2a9c1d"


def test_container_name_has_only_characters_that_docker_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLATFORM_NAME", "_oven 7/8")
    assert container_name("iris", RUN_ID) == "oven-7-8-iris-3f2a9c1d"


def test_check_fails_before_the_first_round(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="finished no round in the last 30 s"):
        main(["--check"])


def test_check_passes_after_a_round() -> None:
    heartbeat.beat()
    main(["--check"])


def test_check_fails_when_the_last_round_is_long_ago() -> None:
    heartbeat.beat()
    long_ago = time.time() - heartbeat.STALE_SECONDS - 1
    os.utime(heartbeat.heartbeat_path(), (long_ago, long_ago))
    with pytest.raises(SystemExit):
        main(["--check"])


def test_check_does_not_wait_for_dagster_to_be_imported() -> None:
    script = "import sys, run_containers.__main__; sys.exit('dagster' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


def test_missing_engine_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    rounds = Rounds([RunKeeper("test")])
    for _ in range(3):
        rounds.make_one()
    [warning] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "the Docker Engine" in warning.message
    assert not heartbeat.is_fresh()


def test_rounds_without_an_engine_are_further_and_further_apart() -> None:
    rounds = Rounds([RunKeeper("test")])
    waits = []
    for _ in range(5):
        rounds.make_one()
        waits.append(rounds.wait_seconds)
    assert waits == [4, 8, 16, 16, 16]
    assert LONGEST_WAIT_SECONDS < heartbeat.STALE_SECONDS


def test_trouble_tells_no_password() -> None:
    error = OperationalError("", {}, Exception("postgresql://dagster:s3cr/t@db:5432 is away\nmore"))
    trouble = Trouble.of(error)
    assert trouble.source == DATABASE
    assert "postgresql://db:5432 is away" in str(trouble)
    assert "s3cr" not in str(trouble)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_service_ends_at_once_when_it_is_told_to(
    home: Path, tmp_path: Path, number: signal.Signals
) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-m", "run_containers"],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        said = [process.stderr.readline() for _ in range(2)]
        process.send_signal(number)
        assert process.wait(timeout=2) == 0
    assert "looking after the run containers of ml-assets" in said[0]
    assert "the Docker Engine" in said[1]
