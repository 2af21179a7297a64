"""Following a run of the platform: what its events tell, and which sources it can see."""

from typing import Any

import pytest

from commands.following import RETRIED_AS, WILL_RETRY, Steps, follow
from commands.launch import main
from commands.platform import News, Platform, PlatformError
from serving.release.probe import free_ports
from serving.runtime.errors import SpecError


def event(kind: str, *, seconds: float = 0, **fields: Any) -> dict[str, Any]:
    return {"__typename": kind, "timestamp": str(seconds * 1000), "stepKey": None, **fields}


def test_a_step_is_told_when_it_ends_with_its_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    steps = Steps()
    steps.tell(event("ExecutionStepStartEvent", seconds=10, stepKey="iris__model"))
    assert capsys.readouterr().out == ""
    steps.tell(event("ExecutionStepSuccessEvent", seconds=12.5, stepKey="iris__model"))
    assert capsys.readouterr().out.split() == ["model", "done", "2.5", "s"]


def test_the_wait_for_the_container_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    steps = Steps()
    steps.tell(event("RunEnqueuedEvent", seconds=1))
    steps.tell(event("RunStartEvent", seconds=4))
    assert capsys.readouterr().out.split() == ["container", "started", "3.0", "s"]


def test_a_failed_step_gives_the_reason_that_it_states() -> None:
    steps = Steps()
    told = {"description": "column 'OT' is missing"}
    failure = event("ExecutionStepFailureEvent", stepKey="iris__dataset", failureMetadata=told)
    steps.tell(failure)
    steps.tell(event("RunFailureEvent", error={"message": "Steps failed", "causes": []}))
    assert steps.reasons == ["dataset: column 'OT' is missing"]


def test_a_step_that_states_no_reason_gives_the_first_cause_of_its_error() -> None:
    steps = Steps()
    causes = [{"message": "outer"}, {"message": "disk full\n"}]
    error = {"message": "Error occurred", "causes": causes}
    steps.tell(event("ExecutionStepFailureEvent", stepKey="iris__dataset", error=error))
    assert steps.reasons == ["dataset: disk full"]


def test_a_failed_gate_is_the_reason_and_not_the_step_that_repeats_its_name() -> None:
    steps = Steps()
    gate = {
        "checkName": "no_leak",
        "success": False,
        "severity": "ERROR",
        "description": "a column gives the label away",
    }
    steps.tell(event("AssetCheckEvaluationEvent", stepKey="iris__evaluation", evaluation=gate))
    repeated = {"message": "dagster.DagsterAssetCheckFailedError: no_leak", "causes": []}
    steps.tell(event("ExecutionStepFailureEvent", stepKey="iris__evaluation", error=repeated))
    assert steps.reasons == ["no_leak: a column gives the label away"]


@pytest.mark.parametrize("source", ["/home/me/x.csv", "x.csv", "../data/x.csv", "."])
def test_a_file_that_no_container_sees_is_refused_before_a_run(source: str) -> None:
    with pytest.raises(SpecError, match=r"files below data/ only.*SOURCE=data/"):
        main(["iris", "--source", source])


def test_a_platform_that_is_not_there_is_a_sentence() -> None:
    (port,) = free_ports(1)
    with pytest.raises(PlatformError, match=r"does not answer.*make up"):
        Platform(f"http://localhost:{port}").launch("iris_train", {})


class Interrupted(Platform):
    """A platform whose second run is followed until somebody presses Ctrl-C."""

    cancelled: list[str]

    def news(self, run: str, *, after: str | None = None) -> News:
        if run == "second":
            raise KeyboardInterrupt
        return News([], "FAILURE", {WILL_RETRY: "true", RETRIED_AS: "second"}, "1")

    def cancel(self, run: str) -> None:
        self.cancelled.append(run)


def test_ctrl_c_cancels_the_run_that_goes_on() -> None:
    platform = Interrupted("http://localhost:1")
    object.__setattr__(platform, "cancelled", [])
    with pytest.raises(KeyboardInterrupt):
        follow(platform, "first")
    assert platform.cancelled == ["second"]


class Late(Platform):
    """A platform whose run ends before the cancellation reaches it."""

    looks: list[str | None]

    def news(self, run: str, *, after: str | None = None) -> News:
        self.looks.append(after)
        if len(self.looks) == 1:
            raise KeyboardInterrupt
        return News([], "SUCCESS" if len(self.looks) > 3 else "CANCELING", {}, "1")

    def cancel(self, run: str) -> None:
        assert run == "first"


def test_ctrl_c_that_comes_too_late_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    platform = Late("http://localhost:1")
    object.__setattr__(platform, "looks", [])
    follow(platform, "first")
    assert "the run had ended before it could be stopped" in capsys.readouterr().out
