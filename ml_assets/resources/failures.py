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

from serving.runtime.errors import MLAssetsError

SECOND_TRY = "dagster/retry_on_asset_or_op_failure"
"""The tag of a run that says whether Dagster tries it again after a step has failed."""


@contextmanager
def failing_plainly() -> Iterator[None]:
    """Turns an error of ours into a failure of the step that says what the error says.

    Raises:
        dagster.Failure: The block raised an `MLAssetsError`; there is no second try.
    """
    try:
        yield
    except MLAssetsError as error:
        _rule_out_second_try()
        raise dg.Failure(description=str(error), allow_retries=False) from error
    except dg.Failure:
        _rule_out_second_try()
        raise


def judged(result: dg.MaterializeResult[Any]) -> dg.MaterializeResult[Any]:
    """The result of an asset; there is no second try if a check has failed that blocks."""
    checks = result.check_results or ()
    if any(not one.passed and one.severity is dg.AssetCheckSeverity.ERROR for one in checks):
        _rule_out_second_try()
    return result


def _rule_out_second_try() -> None:
    context = dg.AssetExecutionContext.get()
    context.instance.add_run_tags(context.run.run_id, {SECOND_TRY: "false"})
