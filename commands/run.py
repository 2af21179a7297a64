"""Runs a job of a model in this process and sums up what came of it: `make run`."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster.components.core.component_tree import ComponentTreeException
from sqlalchemy.exc import SQLAlchemyError

from commands.failures import raise_failure
from commands.progress import CONSOLE, step_lines
from commands.release import ask_one_forecast, build_promoted
from commands.summary import print_metrics, print_next_steps, print_promotion, print_search
from ml_assets.components.model_pipeline import JOBS
from ml_assets.core.errors import StateError
from ml_assets.definitions import defs
from ml_assets.resources.storage import require_space
from ml_assets.settings import Settings
from serving.runtime.errors import MLAssetsError, SpecError

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the job; returns the exit status: 0, 1 for a failed run, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        require_space(Settings.from_environment().home)
        _execute(_job(options.model, options.job), _run_config(options))
        _finish(options.model, options.job, Settings.from_environment())
    except MLAssetsError as error:
        CONSOLE.print(f"[bold red]error:[/] {error}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        CONSOLE.print("stopped; nothing is left half-done. Start again whenever you like.")
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("model", help="name of the model")
    parser.add_argument("--job", choices=list(JOBS), default="train", help="which job runs")
    parser.add_argument("--source", default="", help="path, glob or URL in place of the YAML's")
    parser.add_argument("--config", type=Path, help="run.yaml: source, parameters, trials")
    return parser


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
        raise SpecError(
            f"a model's YAML file is wrong; `make check` shows the line.\n{cause}"
        ) from error


def _run_config(options: argparse.Namespace) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if options.config:
        try:
            config = yaml.safe_load(options.config.read_text()) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise SpecError(f"{options.config} can't be read: {error}") from error
        if not isinstance(config, dict):
            raise SpecError(f"{options.config} holds no entries such as 'source: readings.csv'")
    return {**config, **({"source": options.source} if options.source else {})}


def _execute(job: dg.JobDefinition, config: Mapping[str, Any]) -> None:
    CONSOLE.print(f"[bold]{job.name}[/]")
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


def _instance() -> dg.DagsterInstance:
    home = os.environ.setdefault("DAGSTER_HOME", str(Settings.from_environment().home / "dagster"))
    Path(home).mkdir(parents=True, exist_ok=True)
    return dg.DagsterInstance.get()


def _finish(model: str, job: str, settings: Settings) -> None:
    if job == "tune":
        print_search(model, settings)
    if job in {"train", "evaluate"}:
        print_metrics(model, settings)
    if job == "train":
        print_promotion(model, settings)
        ask_one_forecast(build_promoted(model, settings), model, settings)
        print_next_steps(model, settings)


if __name__ == "__main__":
    sys.exit(main())
