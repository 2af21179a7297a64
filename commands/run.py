"""Runs a job of a model in this process and sums up what came of it: `make run`."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster.components.core.component_tree import ComponentTreeException
from filelock import Timeout
from sqlalchemy.exc import SQLAlchemyError

from commands.arguments import job_parser, run_config
from commands.bento import ask_one_forecast, build, promoted
from commands.console import say
from commands.failures import raise_failure
from commands.progress import step_lines
from commands.summary import print_next_steps, print_online_features, print_results
from ml_assets.components.model_pipeline import JOBS
from ml_assets.core.errors import StateError
from ml_assets.definitions import defs
from ml_assets.resources.files import require_space, told_plainly
from ml_assets.settings import Settings
from serving.runtime.errors import SpecError

PYDANTICS_REMARKS = r" *\[type=.*\]$|\n +For further information visit .*$"
NO_COMPUTE_LOGS = {
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
}
"""What libraries print in a run goes to the terminal alone.

Dagster's way to copy it into files takes four processes a step, which Ctrl-C ends with tracebacks.
"""


def main(arguments: Sequence[str]) -> None:
    """Runs the job and prints what came of it."""
    options = job_parser("make run", __doc__, jobs=JOBS).parse_args(arguments)
    settings = Settings.from_environment()
    require_space(settings.home)
    result = _execute(_job(options.model, options.job), run_config(options))
    _finish(options.model, options.job, result, settings)


def _job(model: str, name: str) -> dg.JobDefinition:
    definitions = dg.Definitions.merge(_loaded(), dg.Definitions(loggers={"console": step_lines}))
    jobs = {job.name: job for job in definitions.resolve_all_job_defs()}
    if f"{model}_{name}" not in jobs:
        models = sorted(job.removesuffix(f"_{name}") for job in jobs if job.endswith(f"_{name}"))
        raise SpecError(f"there is no model {model!r}; the models are {', '.join(models)}")
    return jobs[f"{model}_{name}"]


def _loaded() -> dg.Definitions:
    try:
        return defs()
    except ComponentTreeException as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        reason = re.sub(PYDANTICS_REMARKS, "", str(cause), flags=re.MULTILINE)
        raise SpecError(
            f"a model's YAML file is wrong; `make check` shows the line.\n{reason}"
        ) from error


def _execute(job: dg.JobDefinition, config: Mapping[str, Any]) -> dg.ExecuteInProcessResult:
    say(title=job.name)
    try:
        result = job.execute_in_process(
            run_config=config, instance=_instance(), raise_on_error=False
        )
    except dg.DagsterInvalidConfigError as error:
        raise SpecError("; ".join(one.message for one in error.errors)) from error
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        raise StateError(f"Dagster's database fails: {reason}; is the disk full?") from error
    if not result.success:
        raise_failure(result)
    return result


def _instance() -> dg.DagsterInstance:
    default = Settings.from_environment().home / "dagster"
    home = Path(os.environ.get("DAGSTER_HOME") or default).resolve()
    os.environ["DAGSTER_HOME"] = str(home)
    try:
        with told_plainly(home):
            home.mkdir(parents=True, exist_ok=True)
            place = InstanceRef.from_dir(str(home), overrides=NO_COMPUTE_LOGS)
            return dg.DagsterInstance.from_ref(place)
    except Timeout as error:
        raise StateError(
            f"another process holds {error.lock_file}; end it, and start again"
        ) from error


def _finish(model: str, job: str, result: dg.ExecuteInProcessResult, settings: Settings) -> None:
    print_results(model, job, settings)
    if job == "ingest":
        (stored,) = result.asset_materializations_for_node(f"{model}__online_features")
        print_online_features(model, str(stored.metadata["entities"].value), settings)
    if job == "train":
        version = promoted(model, settings)
        ask_one_forecast(build(version, settings), version, settings)
        print_next_steps(model, settings)
