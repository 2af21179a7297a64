"""The main job, as `make run` does it after installation."""

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import psutil
from dagster._core.instance.ref import InstanceRef

from benchmarks.isolated import Cost
from benchmarks.phases import MODEL

ROOT = Path(__file__).parents[1]
LIMIT_SECONDS = 90
LIMIT_BYTES = 1_500_000_000
SERVICE = "bento and answer"
"""What the job does after the last asset."""
EVERY = 0.05
"""Seconds between two looks at the memory."""
QUIET = {
    "BENTOML_DO_NOT_TRACK": "true",
    "DAGSTER_DISABLE_TELEMETRY": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


@dataclass(frozen=True)
class JobRun:
    """One run of the job.

    Attributes:
        cost: Its peak memory is the sum over all processes, shared pages counted in each.
        parts: Seconds until the first asset, of each asset, and of `SERVICE`: the Bento is built,
            served and asked one forecast.
    """

    cost: Cost
    parts: Mapping[str, float]

    @property
    def training_seconds(self) -> float:
        """The time up to the end of the last asset."""
        return self.cost.seconds - self.parts[SERVICE]

    @property
    def is_met(self) -> bool:
        """Whether it was quick and small enough."""
        return self.cost.seconds <= LIMIT_SECONDS and self.cost.peak_bytes <= LIMIT_BYTES


def run_job() -> JobRun:
    """Runs the job on the default source, in an empty state directory.

    Raises:
        CalledProcessError: It failed; its output is in the error.
    """
    with TemporaryDirectory() as directory:
        return run_job_in(Path(directory))


def run_job_in(home: Path, *, model: str = MODEL) -> JobRun:
    """Runs the job of a model on its default source, in the state directory ``home``.

    Raises:
        CalledProcessError: It failed; its output is in the error.
    """
    environment = _environment(home)
    begin, cpu_begin = time.time(), _children_seconds()
    peak = _run_and_watch(model, environment, log=home / "output.txt")
    end = time.time()
    cost = Cost(end - begin, _children_seconds() - cpu_begin, peak)
    return JobRun(cost, _parts(home / "dagster", begin, end))


def _environment(home: Path) -> dict[str, str]:
    dagster_home = home / "dagster"
    dagster_home.mkdir(exist_ok=True)
    shutil.copy(ROOT / "commands/embedded/dagster.yaml", dagster_home)
    state = {"ML_ASSETS_HOME": home, "DAGSTER_HOME": dagster_home, "BENTOML_HOME": home / "bentoml"}
    inherited = {name: text for name, text in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return {**inherited, **QUIET, **{name: str(path) for name, path in state.items()}}


def _run_and_watch(model: str, environment: Mapping[str, str], *, log: Path) -> int:
    """Most bytes that the job and its children hold at a time."""
    command, peak = [sys.executable, "-m", "commands", "run", model], 0
    with log.open("w") as output:
        process = psutil.Popen(
            command, env=dict(environment), cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
        )
        while process.poll() is None:
            peak = max(peak, _held(process))
            time.sleep(EVERY)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, log.read_text())
    return peak


def _held(process: psutil.Process) -> int:
    """Bytes of a process and its children; those that end meanwhile count nothing."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _parts(dagster_home: Path, begin: float, end: float) -> dict[str, float]:
    home = str(dagster_home)
    # Its dagster.yaml takes the place from a variable, which in this process names another or none.
    place = InstanceRef.from_dir(home, overrides={"storage": {"sqlite": {"base_dir": home}}})
    with dg.DagsterInstance.from_ref(place) as instance:
        run = instance.get_runs(limit=1)[0]
        steps = instance.get_run_step_stats(run.run_id)
    times = {
        step.step_key.split("__", 1)[-1]: (step.start_time or begin, step.end_time or end)
        for step in sorted(steps, key=lambda step: step.start_time or begin)
    }
    first, last = min(start for start, _ in times.values()), max(stop for _, stop in times.values())
    assets = {name: stop - start for name, (start, stop) in times.items()}
    return {"start": first - begin, **assets, SERVICE: end - last}
