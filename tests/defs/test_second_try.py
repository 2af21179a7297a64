"""Which failed runs Dagster tries again on the platform."""

import dagster as dg
import pytest

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
