"""A platform of its own: docker-compose.yml under other names and on free ports, then removed."""

import os
import re
import secrets
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from commands.platform import Platform
from ml_assets.resources.registry import ModelRegistry
from run_containers.labels import PLATFORM_LABEL
from serving.release.engine import EngineError, docker, find_image
from serving.release.probe import free_ports
from serving.runtime.errors import MLAssetsError

ROOT = Path(__file__).parents[1]
SOCKET = Path("/var/run/docker.sock")
PASSWORDS = ("POSTGRES", "DAGSTER_DB", "MLFLOW_DB", "FEAST_DB", "GRAFANA", "MLFLOW_UI")
SERVICES = (
    "DAGSTER",
    "MLFLOW",
    "REGISTRY",
    "FEAST",
    "POSTGRES",
    "PROMETHEUS",
    "ALERTMANAGER",
    "GRAFANA",
    "API",
    "API_FEAST",
    "API_TLS",
    "MLFLOW_UI",
)
PLACES = ("SIGNING", "SCAN", "DELIVERY")
PASSED_ON = ("HOME", "PATH")
COMMAND_SECONDS = 600

_RUNS = """query($job: String!) { runsOrError(filter: {pipelineName: $job}) {
  ... on Runs { results { runId status tags { key value } } } } }"""


class ComposeError(MLAssetsError):
    """`docker compose` has failed; the message has what it printed."""


@dataclass(frozen=True)
class OwnPlatform:
    """A platform that touches nothing of another one.

    Attributes:
        settings: The variables that docker-compose.yml reads.
    """

    settings: Mapping[str, str]

    @classmethod
    def create(cls, prefix: str, *, database: str = "postgres") -> Self:
        """Settings with a new name that begins with ``prefix``; nothing is started yet."""
        name = f"{prefix}-{secrets.token_hex(4)}"
        ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        return cls(
            {
                "COMPOSE_FILE": ":".join(_compose_files()),
                "COMPOSE_PROFILES": "postgres" if database == "postgres" else "",
                "DATABASE": database,
                "IMAGES": "ml-assets",
                "ML_ASSETS_VERSION": _version(),
                "PLATFORM_NAME": name,
                "PLATFORM_NETWORK": f"{name}-network",
                "DOCKER_GID": str(SOCKET.stat().st_gid),
                "DATA_DIR": str(ROOT / "data"),
                "REGISTRY_AUTH_DIR": str(ROOT / "var" / "registry-auth"),
                "RELEASE_PROFILE": "development",
                **{f"{place}_DIR": str(_home(name) / place.lower()) for place in PLACES},
                "CUSTOMERS_FILE": str(_home(name) / "customers.yaml"),
                **{f"{service}_PORT": str(port) for service, port in ports.items()},
                **{f"{user}_PASSWORD": secrets.token_hex(16) for user in PASSWORDS},
            }
        )

    @property
    def name(self) -> str:
        """Prefix of the names of its containers and volumes."""
        return self.settings["PLATFORM_NAME"]

    @property
    def home(self) -> Path:
        """Directory of what is its own on this machine: key, customers, deliveries."""
        return _home(self.name)

    @property
    def images(self) -> str:
        """Its registry, as whoever pulls from this machine calls it."""
        return f"localhost:{self.settings['REGISTRY_PORT']}"

    @property
    def dagster(self) -> Platform:
        """Its Dagster."""
        return Platform(f"http://localhost:{self.settings['DAGSTER_PORT']}")

    @property
    def registry(self) -> ModelRegistry:
        """MLflow's model registry."""
        return ModelRegistry(tracking_uri=self.tracking_uri)

    @property
    def tracking_uri(self) -> str:
        """Where MLflow's server answers."""
        return f"http://localhost:{self.settings['MLFLOW_PORT']}"

    def compose(
        self, *arguments: str, check: bool = True, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs `docker compose` on it; an .env of this directory is not read.

        Args:
            arguments: What stands after `docker compose`.
            check: Whether a failure is an error.
            settings: More variables for this command.

        Raises:
            ComposeError: It has failed, and that is to be an error.
        """
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        ended = subprocess.run(
            ["docker", "compose", "--env-file", os.devnull, *arguments],  # noqa: S607
            cwd=ROOT,
            env={**passed_on, **self.settings, **settings},
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        if check and ended.returncode != 0:
            raise ComposeError(
                f"docker compose {' '.join(arguments)} has failed:\n{ended.stdout}{ended.stderr}"
            )
        return ended

    def up(self, *profiles: str) -> None:
        """Makes its key, starts it and waits until every service is healthy.

        Args:
            profiles: Those of docker-compose.yml that are started besides what always runs.
        """
        self._furnish()
        self.start(*profiles)

    def start(self, *profiles: str) -> None:
        """Starts it with profiles, once `up` has been called, and waits as that does."""
        always = filter(None, self.settings["COMPOSE_PROFILES"].split(","))
        options = [option for one in (*always, *profiles) for option in ("--profile", one)]
        self.compose(*options, "up", "--detach", "--wait")

    def serving(self, image: str) -> Self:
        """The platform with a released image as that of the profile `serve`."""
        return replace(self, settings={**self.settings, "SERVICE_IMAGE": image})

    def remove(self) -> None:
        """Removes it with all that it made: containers of runs, volumes, networks, images."""
        runs = docker("ps", "--all", "--quiet", f"--filter=label={PLATFORM_LABEL}={self.name}")
        if runs:
            docker("rm", "--force", *runs.split())
        self._remove_deliveries()
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "3")
        if self.home.exists():
            shutil.rmtree(self.home)
        for place in (self.name, self.images):
            if images := docker("image", "ls", "--quiet", f"{place}/*"):
                docker("image", "rm", "--force", *{*images.split()})

    def _remove_deliveries(self) -> None:
        """Removes what customers were given, as the user whom it belongs to."""
        place = Path(self.settings["DELIVERY_DIR"])
        if place.exists() and any(place.iterdir()):
            there = "/var/lib/deliveries"
            options = ("--rm", "--no-deps", "--volume", f"{place}:{there}")
            # What lies in the directory itself is in ours, so that we can remove it.
            command = ("find", there, "-mindepth", "2", "-delete")
            self.compose("run", *options, "code-release", *command)

    def _furnish(self) -> None:
        """Makes its directories, its key, and a list of customers without any."""
        for place in PLACES:
            directory = Path(self.settings[f"{place}_DIR"])
            directory.mkdir(parents=True, exist_ok=True)
            os.chown(directory, -1, int(self.settings["DOCKER_GID"]))
            directory.chmod(0o2775)
        (self.home / "customers.yaml").touch()
        environment = {**os.environ, **self.settings}
        subprocess.run([ROOT / "docker" / "keys"], env=environment, check=True, capture_output=True)

    def runs(self, job: str) -> list[dict[str, Any]]:
        """All runs of a job, newest first: ``runId``, ``status`` and ``tags``."""
        found = self.dagster.ask(_RUNS, {"job": job})["runsOrError"]["results"]
        return [{**run, "tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in found]


def _compose_files() -> list[str]:
    """Those of a checkout; without Grafana where its image is neither here nor can be pulled."""
    files = ["docker-compose.yml", "docker-compose.local.yml"]
    found = re.search(r"image: (grafana/\S+)", (ROOT / files[0]).read_text())
    if found and find_image(found[1]) is None and not _can_be_pulled(found[1]):
        files.append("benchmarks/without_grafana.yml")
    return files


def _can_be_pulled(image: str) -> bool:
    try:
        docker("pull", "--quiet", image)
    except EngineError:
        return False
    return True


def _version() -> str:
    """The tag of the platform's images."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return os.environ.get("ML_ASSETS_VERSION") or str(project["version"])


def _home(name: str) -> Path:
    return ROOT / "var" / "platforms" / name


@contextmanager
def own_platform(prefix: str) -> Iterator[OwnPlatform]:
    """A platform that runs until the block ends."""
    platform = OwnPlatform.create(prefix)
    try:
        platform.up()
        yield platform
    finally:
        platform.remove()
