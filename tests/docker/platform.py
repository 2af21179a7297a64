"""A platform of its own for tests: docker-compose.yml under other names, on free ports."""

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands.platform import News, Platform
from ml_assets.resources.registry import ModelRegistry
from run_containers.labels import PLATFORM_LABEL, RUN_LABEL

ROOT = Path(__file__).parents[2]
SOCKET = Path("/var/run/docker.sock")
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
PASSWORDS = ("POSTGRES", "DAGSTER_DB", "MLFLOW_DB", "FEAST_DB")


def docker(*arguments: str, check: bool = True) -> str:
    """What the Docker command line prints."""
    ended = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=False, timeout=300
    )
    assert not check or ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout.strip()


@dataclass(frozen=True)
class PlatformCase:
    """A running platform and what tests ask of it."""

    settings: Mapping[str, str]

    @classmethod
    def create(cls) -> "PlatformCase":
        """Settings under which nothing of another platform is touched."""
        name = f"ml-assets-test-{secrets.token_hex(4)}"
        ports = dict(zip(("DAGSTER", "MLFLOW", "REGISTRY", "FEAST"), free_ports(4), strict=True))
        return cls(
            {
                "PLATFORM_NAME": name,
                "PLATFORM_NETWORK": f"{name}-network",
                "DOCKER_GID": str(SOCKET.stat().st_gid),
                "RELEASE_REGISTRY": f"localhost:{ports['REGISTRY']}",
                "PWD": str(ROOT),
                **{f"{name}_PORT": str(port) for name, port in ports.items()},
                **{f"{name}_PASSWORD": secrets.token_hex(16) for name in PASSWORDS},
            }
        )

    @property
    def name(self) -> str:
        """Prefix of the names of its containers and volumes."""
        return self.settings["PLATFORM_NAME"]

    @property
    def dagster(self) -> Platform:
        """Its Dagster."""
        return Platform(f"http://localhost:{self.settings['DAGSTER_PORT']}")

    @property
    def registry(self) -> ModelRegistry:
        """MLflow's model registry."""
        return ModelRegistry(tracking_uri=f"http://localhost:{self.settings['MLFLOW_PORT']}")

    def compose(
        self, *arguments: str, check: bool = True, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs `docker compose` on it; an .env of this directory is not read."""
        passed_on = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
        ended = subprocess.run(
            ["docker", "compose", "--env-file", "/dev/null", *arguments],
            cwd=ROOT,
            env={**passed_on, **self.settings, **settings},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert not check or ended.returncode == 0, ended.stdout + ended.stderr
        return ended

    def up(self) -> None:
        """Starts it and waits until every service is healthy."""
        self.compose("up", "--detach", "--wait")

    def remove(self) -> None:
        """Removes it with all that it made: containers of runs, volumes, network."""
        runs = docker("ps", "--all", "--quiet", "--filter", f"label={PLATFORM_LABEL}={self.name}")
        if runs:
            docker("rm", "--force", *runs.split())
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "3")

    def container(self, service: str) -> str:
        """Name of the container of a service."""
        return f"{self.name}-{service}-1"

    def run_container(self, run: str) -> str:
        """Id of the container of a run, once it runs."""
        wanted = ("ps", "--quiet", "--filter", f"label={RUN_LABEL}={run}")
        return until(lambda: docker(*wanted), seconds=60, what=f"the container of run {run}")

    def run_containers(self) -> Sequence[str]:
        """Names of all containers of runs, ended ones too."""
        label = f"label={PLATFORM_LABEL}={self.name}"
        return docker("ps", "--all", "--filter", label, "--format", "{{.Names}}").split()

    def train(self, model: str = "iris") -> str:
        """Launches the training of a model; returns the run's id."""
        return self.dagster.launch(f"{model}_train", {})

    def wait_for_step(self, run: str, step: str, *, seconds: float = 120) -> None:
        """Waits until a step of a run has begun."""

        def has_begun() -> bool:
            events = self.dagster.news(run).events
            return any(
                event["__typename"] == "ExecutionStepStartEvent"
                and str(event["stepKey"]).endswith(f"__{step}")
                for event in events
            )

        until(has_begun, seconds=seconds, what=f"step {step} of run {run}")

    def wait_for_end(self, run: str, *, seconds: float = 300) -> News:
        """Waits until a run has ended; returns all its events."""

        def ended() -> News | None:
            news = self.dagster.news(run)
            return news if news.status in ENDED else None

        return until(ended, seconds=seconds, what=f"the end of run {run}")

    def retry_of(self, run: str, *, seconds: float = 60) -> str:
        """The run that Dagster launched in place of a failed one."""
        tag = "dagster/auto_retry_run_id"
        return until(
            lambda: self.dagster.news(run).tags.get(tag), seconds=seconds, what=f"a retry of {run}"
        )

    def runs(self, job: str) -> list[dict[str, Any]]:
        """All runs of a job, newest first: ``runId``, ``status`` and ``tags``."""
        query = """query($job: String!) { runsOrError(filter: {pipelineName: $job}) {
            ... on Runs { results { runId status tags { key value } } } } }"""
        found = self.dagster.ask(query, {"job": job})["runsOrError"]["results"]
        return [{**run, "tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in found]

    def released(self, partition: str, *, seconds: float = 180) -> dict[str, Any]:
        """The first release of a model version that has succeeded, once there is one."""

        def found() -> dict[str, Any] | None:
            runs = [
                run
                for run in self.runs("release")
                if run["tags"].get("dagster/partition") == partition and run["status"] == "SUCCESS"
            ]
            return runs[-1] if runs else None

        return until(found, seconds=seconds, what=f"the release of {partition}")


def until(condition: Callable[[], Any], *, seconds: float, what: str) -> Any:
    """The first answer of ``condition`` that is true; platforms may be away in between."""
    deadline = time.monotonic() + seconds
    last: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except Exception as error:  # noqa: BLE001  told at the end
            last = error
        time.sleep(0.25)
    raise AssertionError(f"waited {seconds:.0f} s for {what}; last error: {last}")


def free_ports(count: int) -> list[int]:
    """Ports of this machine on which nothing listens."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
