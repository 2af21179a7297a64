"""The run keeper, with containers of a real engine and runs of a real instance."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from run_containers import keeper
from run_containers.labels import PLATFORM_LABEL
from tests.docker.run_cases import (
    FOR_EVER,
    IMAGE,
    STUBBORN,
    RunCase,
    exists,
    opened_case,
    still_runs,
)

pytestmark = pytest.mark.docker


@pytest.fixture
def case(home: Path) -> Iterator[RunCase]:
    with opened_case() as case:
        yield case


def test_ended_container_of_a_finished_run_is_removed_and_its_output_kept(case: RunCase) -> None:
    run = case.run()
    container = case.ended(run, "echo measured; echo a complaint >&2")
    case.instance.report_run_failed(run)
    case.keeper.make_round()
    assert not exists(container)
    [output] = case.outputs(run)
    assert sorted(output.read_text().splitlines()) == ["a complaint", "measured"]


def test_output_is_where_the_compute_logs_of_the_run_are(case: RunCase) -> None:
    run = case.run()
    container = case.ended(run, "echo measured")
    case.instance.report_run_failed(run)
    case.keeper.make_round()
    key = [run.run_id, "compute_logs", f"container-{container.id[:12]}"]
    assert case.instance.compute_log_manager.get_log_data(key).stdout == b"measured\n"
    assert f"/logs/{'/'.join(key)}/out" in case.messages(run)[-1]


def test_events_of_the_run_tell_the_exit_code(case: RunCase) -> None:
    run = case.run()
    case.ended(run, "exit 3")
    case.instance.report_run_failed(run)
    case.keeper.make_round()
    assert "ended with exit code 3" in case.messages(run)[-1]


def test_long_output_is_kept_to_the_last_byte(case: RunCase) -> None:
    run = case.run()
    case.ended(run, "seq 200000")
    case.instance.report_run_failed(run)
    case.keeper.make_round()
    [output] = case.outputs(run)
    assert output.read_text() == "".join(f"{number}\n" for number in range(1, 200001))


def test_container_of_a_deleted_run_is_removed_and_its_output_kept(case: RunCase) -> None:
    run = case.run()
    container = case.ended(run, "echo measured")
    case.instance.delete_run(run.run_id)
    case.keeper.make_round()
    assert not exists(container)
    assert [output.read_text() for output in case.outputs(run)] == ["measured\n"]


def test_running_container_of_a_deleted_run_is_left(case: RunCase) -> None:
    run = case.run()
    container = case.start(run, FOR_EVER)
    case.instance.delete_run(run.run_id)
    case.keeper.make_round()
    assert still_runs(container)


def test_container_that_never_started_goes_with_its_run(case: RunCase) -> None:
    run = case.run()
    container = case.create(run, "true")
    case.keeper.make_round()
    assert exists(container)
    case.instance.report_run_failed(run)
    case.keeper.make_round()
    assert not exists(container)
    assert case.outputs(run) == []


def test_running_container_is_left(case: RunCase) -> None:
    container = case.start(case.run(), FOR_EVER)
    case.keeper.make_round()
    assert still_runs(container)


def test_ended_container_of_an_unfinished_run_is_left_to_run_monitoring(case: RunCase) -> None:
    run = case.run()
    container = case.ended(run)
    case.keeper.make_round()
    assert exists(container)
    assert case.status(run) is dg.DagsterRunStatus.STARTED


def test_container_of_a_run_that_is_being_cancelled_is_asked_to_stop(case: RunCase) -> None:
    run = case.run()
    container = case.start(run, FOR_EVER)
    case.instance.report_run_canceling(run)
    case.keeper.make_round()
    assert container.wait(timeout=5)["StatusCode"] == 0
    assert b"was asked to stop" in container.logs()


def test_run_whose_container_ended_without_a_word_is_cancelled_and_cleared_away(
    case: RunCase,
) -> None:
    run = case.run()
    container = case.ended(run)
    case.instance.report_run_canceling(run)
    case.keeper.make_round()
    assert case.status(run) is dg.DagsterRunStatus.CANCELED
    case.keeper.make_round()
    assert not exists(container)


def test_run_whose_container_is_about_to_start_is_not_recorded_as_cancelled(case: RunCase) -> None:
    run = case.run()
    case.create(run, "true")
    case.instance.report_run_canceling(run)
    case.keeper.make_round()
    assert case.status(run) is dg.DagsterRunStatus.CANCELING


def test_container_that_does_not_stop_is_killed_after_its_time(
    case: RunCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = case.run()
    container = case.start(run, STUBBORN)
    case.instance.report_run_canceling(run)
    case.keeper.make_round()
    case.keeper.make_round()
    assert still_runs(container)
    monkeypatch.setattr(keeper, "STOP_SECONDS", 0)
    case.keeper.make_round()
    assert container.wait(timeout=5)["StatusCode"] == 137


def test_run_that_was_resumed_is_not_cancelled_while_its_second_container_runs(
    case: RunCase,
) -> None:
    run = case.run()
    case.ended(run)
    case.start(run, STUBBORN)
    case.instance.report_run_canceling(run)
    case.keeper.make_round()
    assert case.status(run) is dg.DagsterRunStatus.CANCELING


def test_worker_of_a_finished_run_has_a_while_to_end(
    case: RunCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = case.run()
    container = case.start(run, FOR_EVER)
    case.instance.report_run_failed(run)
    case.keeper.make_round()
    assert still_runs(container)
    monkeypatch.setattr(keeper, "LINGER_SECONDS", 0)
    case.keeper.make_round()
    assert container.wait(timeout=5)["StatusCode"] == 0


def test_container_of_another_platform_is_left(case: RunCase) -> None:
    run = case.run()
    neighbour = RunCase(case.engine, case.instance)
    container = neighbour.ended(run)
    case.instance.report_run_failed(run)
    try:
        case.keeper.make_round()
        assert exists(container)
    finally:
        neighbour.remove_containers()


def test_container_that_is_no_run_of_ours_is_left(case: RunCase) -> None:
    container = case.engine.containers.run(
        IMAGE, "true", labels={PLATFORM_LABEL: case.platform}, detach=True
    )
    container.wait()
    case.keeper.make_round()
    assert exists(container)
