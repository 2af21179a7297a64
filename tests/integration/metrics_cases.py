"""A webserver of Dagster's own, with two code locations like the platform's, and runs in it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.test_utils import create_run_for_test

from platform_metrics.asking import fetch
from platform_metrics.failures import SourceError
from serving.release.probe import free_ports

OVENS = """
import dagster as dg

@dg.asset(key=["oven", "online_features"])
def online_features(): ...

@dg.asset(key=["iris", "online_features"])
def never(): ...

defs = dg.Definitions(
    assets=[online_features, never],
    jobs=[dg.define_asset_job("oven_ingest", selection=[dg.AssetKey(["oven", "online_features"])])],
)
"""
RELEASE = """
import dagster as dg

@dg.op
def bake(): ...

@dg.job
def release(): bake()

@dg.job
def deliver(): bake()

defs = dg.Definitions(jobs=[release, deliver])
"""
WORKSPACE = """
load_from:
  - python_file: {relative_path: ovens.py, location_name: ml_assets}
  - python_file: {relative_path: releases.py, location_name: release}
"""
START_SECONDS = 90


@dataclass(frozen=True)
class WebserverCase:
    """A webserver at an address, and the instance that it shows."""

    url: str
    instance: dg.DagsterInstance

    def run(self, job: str, status: dg.DagsterRunStatus, **tags: str) -> dg.DagsterRun:
        """A run as the platform records it, with a status and tags."""
        location = "ml_assets" if job.startswith("oven") else "release"
        origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__")
        return create_run_for_test(
            self.instance,
            job_name=job,
            status=status,
            tags={".dagster/repository": f"__repository__@{location}", **tags},
            remote_job_origin=RemoteJobOrigin(origin, job),
        )

    def ended(self, job: str, *, fails: bool = False, partition: str = "") -> None:
        """A run that has ended."""
        tags = {"dagster/partition": partition} if partition else {}
        run = self.run(job, dg.DagsterRunStatus.STARTED, **tags)
        event = dg.DagsterEventType.RUN_FAILURE if fails else dg.DagsterEventType.RUN_SUCCESS
        self.instance.report_dagster_event(
            dg.DagsterEvent(event.value, job_name=job, message="ended"), run_id=run.run_id
        )


def write_home(place: Path) -> None:
    """Writes an instance's settings, and the code of two locations."""
    (place / "ovens.py").write_text(OVENS)
    (place / "releases.py").write_text(RELEASE)
    (place / "workspace.yaml").write_text(WORKSPACE)
    (place / "dagster.yaml").write_text("telemetry: {enabled: false}\n")


@contextmanager
def running_webserver(place: Path) -> Iterator[WebserverCase]:
    """A webserver on an instance of its own in SQLite, until the block ends."""
    write_home(place)
    [port] = free_ports(1)
    command = (
        "-m",
        "dagster_webserver",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "-w",
        "workspace.yaml",
    )
    server = subprocess.Popen(
        [sys.executable, *command],
        cwd=place,
        env={**os.environ, "DAGSTER_HOME": str(place)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/server_info")
        with dg.DagsterInstance.from_config(str(place)) as instance:
            yield WebserverCase(f"http://127.0.0.1:{port}", instance)
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(page: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            fetch(page)
        except SourceError:
            assert time.monotonic() < deadline, f"{page} does not answer"
            time.sleep(0.3)
        else:
            return
