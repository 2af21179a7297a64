"""How steps end: which failed runs Dagster tries again on the platform, and cancelled runs."""

import signal
import time

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from ml_assets.resources.failures import SECOND_TRY, failing_plainly, judged
from serving.runtime.errors import MLAssetsError


def tag_after_error(error: Exception) -> str | None:
    """The tag of a run in which an asset raises an error."""

    @dg.asset
    def measured() -> None:
        with failing_plainly():
            raise error

    return tag_after(measured)


def tag_after(asset: dg.AssetsDefinition) -> str | None:
    with dg.DagsterInstance.ephemeral() as instance:
        ended = dg.materialize([asset], instance=instance, raise_on_error=False)
        run = instance.get_run_by_id(ended.run_id)
        assert run is not None
        return run.tags.get(SECOND_TRY)


@pytest.mark.parametrize("error", [MLAssetsError("too hot"), dg.Failure("too hot")])
def test_a_failure_by_a_rule_of_ours_is_not_tried_again(error: Exception) -> None:
    assert tag_after_error(error) == "false"


def test_a_failure_for_another_reason_is_tried_again() -> None:
    assert tag_after_error(ConnectionError("the database went away")) is None


@pytest.mark.parametrize(
    ("passed", "severity", "tag"),
    [
        (False, dg.AssetCheckSeverity.ERROR, "false"),
        (False, dg.AssetCheckSeverity.WARN, None),
        (True, dg.AssetCheckSeverity.ERROR, None),
    ],
)
def test_a_blocking_check_that_fails_is_not_tried_again(
    passed: bool, severity: dg.AssetCheckSeverity, tag: str | None
) -> None:
    check = dg.AssetCheckResult(check_name="warm", passed=passed, severity=severity)

    @dg.asset(check_specs=[dg.AssetCheckSpec("warm", asset="measured", blocking=True)])
    def measured() -> dg.MaterializeResult:  # type: ignore[type-arg]
        return judged(dg.MaterializeResult(check_results=[check]))

    assert tag_after(measured) == tag


def test_no_step_begins_in_a_run_that_is_being_cancelled() -> None:
    begun = []

    @dg.asset
    def first(context: dg.AssetExecutionContext) -> None:
        with failing_plainly():
            begun.append("first")
            # The interrupt that should follow is lost.
            context.instance.report_run_canceling(context.run)

    @dg.asset(deps=[first])
    def second() -> None:
        with failing_plainly():
            begun.append("second")

    with dg.DagsterInstance.ephemeral() as instance:
        with pytest.raises(KeyboardInterrupt):
            dg.materialize([first, second], instance=instance)
        (run,) = instance.get_runs()
    assert (begun, run.status) == (["first"], dg.DagsterRunStatus.CANCELED)


def test_an_interrupt_that_a_finaliser_swallows_ends_the_run() -> None:
    class Finalised:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    @dg.asset
    def slow(context: dg.AssetExecutionContext) -> None:
        with failing_plainly():
            context.instance.report_run_canceling(context.run)
            Finalised()
            time.sleep(10)
            pytest.fail("the interrupt was lost")

    with dg.DagsterInstance.ephemeral() as instance:
        with pytest.raises((KeyboardInterrupt, DagsterExecutionInterruptedError)):
            dg.materialize([slow], instance=instance)
        (run,) = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.CANCELED
