"""Versions become partitions of the release through the webserver, as commands ask it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from commands.platform import Platform, PlatformError
from commands.versions import LOCATION
from serving.release.partitions import MODEL_VERSIONS
from serving.release.probe import free_ports
from tests.conftest import ROOT
from tests.docker.platform import until

NAME = str(MODEL_VERSIONS.name)
KEY = "oven:v7"
WORKSPACE = f"""
load_from:
  - python_module: {{module_name: serving.release.definitions, location_name: {LOCATION}}}
"""


@dataclass(frozen=True)
class Webserver:
    """Dagster's webserver with the code location of releases."""

    platform: Platform
    home: Path

    @property
    def partitions(self) -> list[str]:
        """The versions that Dagster knows."""
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            return [*instance.get_dynamic_partitions(NAME)]


@pytest.fixture(scope="module")
def webserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webserver]:
    """It, on an empty state directory."""
    home = tmp_path_factory.mktemp("dagster")
    (home / "workspace.yaml").write_text(WORKSPACE)
    (port,) = free_ports(1)
    command = ("-m", "dagster_webserver", f"--port={port}", f"--workspace={home}/workspace.yaml")
    environment = {**os.environ, "DAGSTER_HOME": str(home)}
    with subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment) as process:
        case = Webserver(Platform(f"http://127.0.0.1:{port}"), home)
        try:
            until(lambda: case.platform.ask("query { version }", {}), seconds=120, what="Dagster")
            yield case
        finally:
            process.terminate()


def test_a_version_that_the_sensor_never_saw_becomes_a_partition(webserver: Webserver) -> None:
    for _ in range(2):
        webserver.platform.add_partition(NAME, KEY, location=LOCATION)
    assert webserver.partitions == [KEY]


def test_a_location_that_is_not_there_is_an_error(webserver: Webserver) -> None:
    with pytest.raises(PlatformError, match="can't be added"):
        webserver.platform.add_partition(NAME, KEY, location="elsewhere")
