"""The shell for development: the training image with git and pytest, on this directory."""

import subprocess

import pytest

from tests.conftest import ROOT
from tests.docker.platform import PlatformCase

pytestmark = pytest.mark.docker

TRIED = "tests/unit/test_pins.py"


def in_the_shell(platform: PlatformCase, *command: str) -> str:
    return platform.compose("run", "--rm", "-T", "dev", *command).stdout


def test_it_runs_the_tests_of_this_directory(platform: PlatformCase) -> None:
    assert "passed" in in_the_shell(platform, "pytest", "-q", "-p", "no:cacheprovider", TRIED)


def test_it_has_git_and_may_read_the_repository(platform: PlatformCase) -> None:
    here = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert in_the_shell(platform, "git", "rev-parse", "HEAD").strip() == here.stdout.strip()


def test_it_sees_no_keys(platform: PlatformCase) -> None:
    assert (ROOT / "var").exists()
    assert in_the_shell(platform, "ls", "-A", "var") == ""


def test_it_sees_mlflow(platform: PlatformCase) -> None:
    code = "import mlflow; print(len(mlflow.MlflowClient().search_experiments()) > 0)"
    assert in_the_shell(platform, "python", "-c", code).strip() == "True"
