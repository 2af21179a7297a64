"""Launches a job of a model on the platform and follows it to its end: `make train`."""

import os
from collections.abc import Sequence
from pathlib import PurePosixPath

from commands.arguments import job_parser, run_config
from commands.console import say
from commands.following import follow, run_page
from commands.platform import DEFAULT_URL, Platform
from serving.runtime.errors import SpecError

JOBS = ("train", "evaluate", "tune", "ingest")
DATA = "data"
"""The directory of users' files in the containers of runs."""


def main(arguments: Sequence[str]) -> None:
    """Launches the job, prints its steps and what came of it."""
    options = job_parser("make train", __doc__, jobs=JOBS).parse_args(arguments)
    config = run_config(options)
    _check_source(str(config.get("source", "")))
    platform = Platform(os.environ.get("DAGSTER_URL") or DEFAULT_URL)
    job = f"{options.model}_{options.job}"
    run = platform.launch(job, config)
    say(title=job, text=f"  {run_page(platform, run)}")
    follow(platform, run)
    _finish(platform, options.model, options.job)


def _check_source(source: str) -> None:
    """Checks that a run can see a file: its container has those below `data/` only.

    Raises:
        SpecError: It can't.
    """
    is_file = source and "://" not in source
    if is_file and PurePosixPath(source).parts[:1] != (DATA,):
        name = PurePosixPath(source).name
        raise SpecError(
            f"runs in containers see files below {DATA}/ only, and the source is {source}; put it "
            f"there and say SOURCE={DATA}/{name}, or set DATA_DIR in .env to its directory"
        )


def _finish(platform: Platform, model: str, job: str) -> None:
    """Prints what came of a job; the state directory is mounted here too."""
    from commands.summary import print_results  # noqa: PLC0415  imports take seconds
    from ml_assets.settings import Settings  # noqa: PLC0415

    print_results(model, job, Settings.from_environment(), train="make train")
    if job == "train":
        page = platform.page("assets/push")
        say(f"\nA run of the job `release` builds, proves and delivers it now: {page}")
