"""Prometheus' configuration and rules, by its own tool."""

import re
import subprocess

import pytest

from tests.conftest import ROOT
from tests.docker import compose_service

pytestmark = pytest.mark.docker

HOME = ROOT / "docker" / "prometheus"
# The tool looks for the key's file, which the start writes.
PROMTOOL = ": >/tmp/api-metrics-key && cd /etc/prometheus && exec promtool"


def promtool(command: str) -> str:
    options = ("--rm", "--network=none", f"--volume={HOME}:/etc/prometheus:ro")
    prometheus = compose_service.image("prometheus")
    ended = subprocess.run(
        ["docker", "run", *options, "--entrypoint=/bin/sh", prometheus, "-c",
         f"{PROMTOOL} {command}"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_configuration_is_right_and_has_all_rules() -> None:
    said = promtool("check config prometheus.yml")
    found = re.findall(r"Checking rules/(\w+)\.yml|Checking \S*rules/(\w+)\.yml", said)
    assert {"".join(names) for names in found} == {path.stem for path in HOME.glob("rules/*.yml")}


@pytest.mark.parametrize("path", sorted(HOME.glob("tests/*.yml")), ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_rest_when_they_should(path: object) -> None:
    assert "SUCCESS" in promtool(f"test rules tests/{getattr(path, 'name', '')}")
