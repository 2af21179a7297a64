"""What steps say of their failures, and which runs are not worth a second try.

On the platform, a run that fails is tried once more from its last good asset (dagster.yaml): its
container or its database may have gone in the middle of a step. What fails with a reason of ours is
not: it would fail in the same way again, or has been tried long enough (MLflow's client goes on for
minutes), or somebody has to do something first (a full disk).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from ml_assets.resources.interrupts import lasting_interrupts
from serving.runtime.errors import MLAssetsError

SECOND_TRY = "dagster/retry_on_asset_or_op_failure"
"""The tag of a run that says whether Dagster tries it again after a step has failed."""


@contextmanager
def failing_plainly() -> Iterator[None]:
    """Turns an error of ours into a failure of the step that says what the error says.

    A step of a run that is being cancelled does not begin: the interrupt may have come between two
    steps and been lost.

    Raises:
        dagster.Failure: The block raised an `MLAssetsError`; there is no second try.
        KeyboardInterrupt: Somebody cancels the run.
    """
    stop_if_cancelled()
    try:
        with lasting_interrupts():
            yield
    except MLAssetsError as error:
        _rule_out_second_try()
        raise dg.Failure(description=str(error), allow_retries=False) from error
    except dg.Failure:
        _rule_out_second_try()
        raise


def stop_if_cancelled() -> None:
    """Ends a step whose run somebody cancels, or that Dagster has given up.

    Raises:
        KeyboardInterrupt: It is so.
    """
    context = dg.AssetExecutionContext.get()
    run = context.instance.get_run_by_id(context.run.run_id)
    if run is not None and (run.is_finished or run.status is dg.DagsterRunStatus.CANCELING):
        raise KeyboardInterrupt


def judged(result: dg.MaterializeResult[Any]) -> dg.MaterializeResult[Any]:
    """The result of an asset; there is no second try if a check has failed that blocks."""
    checks = result.check_results or ()
    if any(not one.passed and one.severity is dg.AssetCheckSeverity.ERROR for one in checks):
        _rule_out_second_try()
    return result


def _rule_out_second_try() -> None:
    context = dg.AssetExecutionContext.get()
    context.instance.add_run_tags(context.run.run_id, {SECOND_TRY: "false"})
