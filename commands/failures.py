"""What went wrong in a run, in the words of the step that failed."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from ml_assets.resources.interrupts import DAGSTERS_INTERRUPT
from serving.runtime.errors import MLAssetsError

if TYPE_CHECKING:  # `make train` has no need of Dagster, which takes seconds to import
    import dagster as dg

FAILED_CHECK = "DagsterAssetCheckFailedError"
"""How Dagster calls a failed check, which has said why; its step only repeats its name."""


class RunFailedError(MLAssetsError):
    """A run of a job failed; the message holds the reasons of the steps that failed."""


def raise_failure(result: "dg.ExecuteInProcessResult") -> NoReturn:
    """Raises what the failed steps of a run say.

    Raises:
        KeyboardInterrupt: Ctrl-C stopped a step, which Dagster takes for a failure.
        RunFailedError: Otherwise.
    """
    if any(_is_caused_by(failure, DAGSTERS_INTERRUPT) for _, failure in _failures(result)):
        raise KeyboardInterrupt
    reasons = [*_failed_gates(result), *_failed_steps(result)] or [*_failed_run(result)]
    run = f"run {result.run_id}; `make ui` shows it"
    raise RunFailedError("\n".join(reasons) + f"\n({run})")


def _failed_gates(result: "dg.ExecuteInProcessResult") -> Iterator[str]:
    for evaluation in result.get_asset_check_evaluations():
        if not evaluation.passed and evaluation.severity.value == "ERROR":
            yield f"{evaluation.check_name}: {evaluation.description}"


def _failed_steps(result: "dg.ExecuteInProcessResult") -> Iterator[str]:
    for step, failure in _failures(result):
        if step != "run" and not _is_caused_by(failure, FAILED_CHECK):
            yield f"{step}: {_reason(failure)}"


def _failed_run(result: "dg.ExecuteInProcessResult") -> Iterator[str]:
    """Why a run failed outside of its steps, for instance because MLflow is out of reach."""
    for event in result.all_events:
        if event.is_job_failure:
            yield _root(event.job_failure_data.error)


def _failures(result: "dg.ExecuteInProcessResult") -> Iterator[tuple[str, Any]]:
    for event in result.all_events:
        if event.is_step_failure and event.step_key:
            yield event.step_key.split("__", 1)[-1], event.step_failure_data
        elif event.is_job_failure:
            yield "run", event.job_failure_data


def _is_caused_by(failure: Any, name: str) -> bool:
    return failure.error is not None and failure.error.cls_name == name


def _reason(failure: Any) -> str:
    if failure.user_failure_data:
        return str(failure.user_failure_data.description)
    return _root(failure.error)


def _root(error: Any) -> str:
    """The message of the error that caused all others."""
    if error is None:
        return "the run failed without an error"
    while error.cause:
        error = error.cause
    return str(error.message.strip())
