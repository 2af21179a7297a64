"""The stack file that docs/deploying.md shows is one that Swarm takes."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.documents import blocks

pytestmark = pytest.mark.docker


def _checked(path: Path) -> subprocess.CompletedProcess[str]:
    command = ["docker", "stack", "config", "-c", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_swarm_takes_the_stack_of_the_page(tmp_path: Path) -> None:
    [shown] = blocks("docs/deploying.md", "yaml")
    path = tmp_path / "stack.yml"
    path.write_text(shown)
    ended = _checked(path)
    assert ended.returncode == 0, ended.stderr
    service = yaml.safe_load(ended.stdout)["services"]["iris"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_swarm_refuses_the_platforms_own_file_as_the_page_says() -> None:
    assert _checked(ROOT / "docker-compose.yml").returncode != 0
