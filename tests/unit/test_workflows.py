"""The workflows of GitHub Actions: pinned, limited, and about things that there are."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
PINNED = re.compile(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
OURS = re.compile(r"uses: (\./\S+)$")


def _jobs(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())["jobs"]
    return found


def _steps(path: Path) -> Iterator[dict[str, Any]]:
    document = yaml.safe_load(path.read_text())
    for job in document.get("jobs", {"": document.get("runs")}).values():
        yield from job["steps"]


def _commands(path: Path) -> str:
    return "\n".join(step.get("run", "") for step in _steps(path))


def test_there_are_workflows() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "release.yml"]


@pytest.mark.parametrize(
    "path", [*WORKFLOWS, *ACTIONS], ids=lambda path: path.parent.name + path.name
)
def test_every_action_is_pinned_by_its_commit_and_tells_its_version(path: Path) -> None:
    used = re.findall(r"uses: .*", path.read_text())
    assert used
    for line in used:
        ours = OURS.search(line)
        assert PINNED.search(line) or (ours and (ROOT / ours[1] / "action.yml").is_file()), line


def test_an_action_has_the_same_commit_everywhere() -> None:
    text = "".join(path.read_text() for path in [*WORKFLOWS, *ACTIONS])
    pins = set(re.findall(r"uses: ([\w-]+/[\w-]+)@(\w+)", text))
    assert len({action for action, _ in pins}) == len(pins)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_rights_and_each_job_those_it_needs(path: Path) -> None:
    assert yaml.safe_load(path.read_text())["permissions"] == {}
    for name, job in _jobs(path).items():
        allowed = {"contents": "write"} if name == "publish" else {"contents": "read"}
        assert job["permissions"] == allowed, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_job_ends(path: Path) -> None:
    for name, job in _jobs(path).items():
        assert 0 < job["timeout-minutes"] <= 150, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_runs_of_one_branch_do_not_stand_in_each_others_way(path: Path) -> None:
    assert "${{ github.ref }}" in yaml.safe_load(path.read_text())["concurrency"]["group"]


@pytest.mark.parametrize(
    "path", [*WORKFLOWS, *ACTIONS], ids=lambda path: path.parent.name + path.name
)
def test_no_command_contains_what_others_may_write(path: Path) -> None:
    """What GitHub fills in becomes code of the shell: it comes in by variables only."""
    assert "${{" not in _commands(path)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_checkout_leaves_no_token_behind(path: Path) -> None:
    for step in _steps(path):
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


def test_commands_call_what_there_is() -> None:
    text = "\n".join(map(_commands, [*WORKFLOWS, *ACTIONS]))
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"\bmake ([a-z-]+)", text))
    assert {"check", "test", "test-docker", "dev", "train", "serve", "down"} <= targets
    for target in targets:
        assert re.search(rf"^[a-z -]*\b{target}\b[a-z -]*:", makefile, re.MULTILINE), target
    for file in re.findall(r"\b(docker/[a-z]+|\w+\.toml)\b", text):
        assert (ROOT / file).is_file(), file


def test_every_image_that_the_plain_compose_file_pulls_is_pushed() -> None:
    [release] = [path for path in WORKFLOWS if path.name == "release.yml"]
    lists = [step["with"]["images"] for step in _steps(release) if "images" in step.get("with", {})]
    pushed = [image for images in lists for image in images.split()]
    compose = (ROOT / "docker-compose.yml").read_text()
    pulled = set(re.findall(r"\$\{IMAGES[^}]*\}-([a-z-]+):", compose))
    assert pulled <= set(pushed)
    assert len(pushed) == len(set(pushed))


def test_versions_of_python_are_the_projects() -> None:
    wanted = {
        step["with"]["python-version"]
        for path in WORKFLOWS
        for step in _steps(path)
        if "setup-python" in step.get("uses", "")
    }
    assert wanted == {"3.11"}
    assert 'requires-python = ">=3.11,<3.12"' in (ROOT / "pyproject.toml").read_text()
