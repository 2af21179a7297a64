"""What is typed after `make run` and `make train`: model, job, source and run.yaml."""

import argparse
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from serving.runtime.errors import SpecError


def job_parser(
    prog: str, description: str | None, *, jobs: Iterable[str]
) -> argparse.ArgumentParser:
    """A parser of the arguments that say which job runs on what."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("model", help="name of the model")
    parser.add_argument("--job", choices=list(jobs), default="train", help="which job runs")
    parser.add_argument("--source", default="", help="path, glob or URL in place of the YAML's")
    parser.add_argument("--config", type=Path, help="run.yaml: source, parameters, trials")
    return parser


def run_config(options: argparse.Namespace) -> dict[str, Any]:
    """The job's configuration: what run.yaml holds, and the source that was typed.

    Raises:
        SpecError: run.yaml can't be read, or has an entry that there is not.
    """
    config = _read_config(options.config) if options.config else {}
    return {**config, **({"source": options.source} if options.source else {})}


def _read_config(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as file:
            config = yaml.safe_load(file) or {}
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise SpecError(f"{path} is not YAML: {error}") from error
    except OSError as error:
        raise SpecError(f"{path} can't be read: {error.strerror}") from error
    if not isinstance(config, dict):
        raise SpecError(f"{path} holds no entries such as 'source: readings.csv'")
    _check_entries(path, config)
    return config


def _check_entries(path: Path, config: dict[str, Any]) -> None:
    from ml_assets.components.overrides import ENTRIES  # noqa: PLC0415  imports Dagster: seconds

    unknown = sorted(set(map(str, config)) - set(ENTRIES))
    if unknown:
        guess = get_close_matches(unknown[0], ENTRIES, n=1)
        meant = f"you may mean {guess[0]!r}; " if guess else ""
        known = ", ".join(ENTRIES)
        raise SpecError(f"{path}: there is no entry {unknown[0]!r}; {meant}the entries are {known}")
