"""The labels and the name that a run's container carries."""

import os
import re

RUN_LABEL = "ml-assets.run"
"""Holds the id of the run."""
PLATFORM_LABEL = "ml-assets.platform"
"""Holds the platform's name, so that two platforms on one engine leave each other alone."""
DEFAULT_PLATFORM = "ml-assets"


def platform_name() -> str:
    """The name in ``PLATFORM_NAME``, which the daemon and the run keeper have in common."""
    return os.environ.get("PLATFORM_NAME") or DEFAULT_PLATFORM


def run_labels(run_id: str) -> dict[str, str]:
    """The labels of a run's container."""
    return {RUN_LABEL: run_id, PLATFORM_LABEL: platform_name()}


def container_name(job_name: str, run_id: str, *, after: str = "") -> str:
    """A name such as ``ml-assets-iris_train-3f2a9c1d``.

    Args:
        job_name: Name of the job.
        run_id: Id of the run; the name has its first eight characters, as Dagster's UI.
        after: Id of the container that a worker which resumes the run takes over from, if any.
    """
    parts = (platform_name(), job_name, run_id[:8], *([after[:8]] if after else ()))
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", "-".join(parts)).lstrip("_.-")
