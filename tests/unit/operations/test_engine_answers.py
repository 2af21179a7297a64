"""What the commands make of an engine that refuses, or whose containers go meanwhile."""

from pathlib import Path

import pytest

from operations.containers import all_containers
from operations.doctor import tools
from operations.doctor.examination import examine
from operations.errors import CommandError
from tests.unit.operations.cases import make_project

DENIED = (
    "permission denied while trying to connect to the Docker daemon socket at "
    "unix:///var/run/docker.sock"
)
GONE = "Error response from daemon: No such container"
ANSWERS = """#!/bin/sh
case "$1" in
version) echo '{"Version": "28.0.0"}' ;;
compose) echo '{"name": "ours"}' ;;
*) exit 1 ;;
esac
"""
CONTAINER = (
    '[{"Name": "/%s", "Config": {"Image": "i"}, "NetworkSettings": {},'
    ' "State": {"Status": "running", "ExitCode": 0}}]'
)


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program `docker`, whose script tests write."""
    program = tmp_path / "docker"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return program


def inspecting(*cases: str) -> str:
    """Two containers, `here` and `other`; what `docker inspect` does with some arguments."""
    lines = "\n".join(cases)
    return f'#!/bin/sh\n[ "$1" = ps ] && echo "here other" && exit\ncase "$*" in\n{lines}\nesac\n'


def test_who_may_not_use_the_engine_is_told_how_to_be_let_in(says: Path) -> None:
    says.write_text(f"#!/bin/sh\necho '{DENIED}' >&2\nexit 1\n")
    engine = tools.judge(tools.gather())[0]
    assert engine.mend == "sudo usermod -aG docker $USER, then log in again"


def test_an_engine_that_says_nothing_is_told_in_a_sentence() -> None:
    engine = tools.judge(tools.Tools("", "2.40.0", "0.28.0"))[0]
    assert engine.text == "the Docker Engine can't be used: it does not say why"


@pytest.mark.parametrize("why", [DENIED, "Cannot connect to the Docker daemon"])
def test_without_the_engine_only_what_needs_none_is_looked_at(
    says: Path, tmp_path: Path, why: str
) -> None:
    says.write_text(f"#!/bin/sh\necho '{why}' >&2\nexit 1\n")
    report = examine(make_project(tmp_path / "p"))
    assert report.keys() == {"tools", "variables", "passwords"}


def test_with_one_everything_is(says: Path, tmp_path: Path) -> None:
    says.write_text(ANSWERS)
    assert {"ports", "services", "network"} <= examine(make_project(tmp_path / "p")).keys()


def test_a_container_that_goes_meanwhile_is_left_out(says: Path) -> None:
    found = f"'inspect here') echo '{CONTAINER % 'here'}';;"
    says.write_text(inspecting(found, f"*) echo '{GONE}' >&2; exit 1;;"))
    assert [one.name for one in all_containers()] == ["here"]


def test_one_that_the_engine_does_not_tell_of_is_an_error(says: Path) -> None:
    found = f"'inspect here') echo '{CONTAINER % 'here'}';;"
    says.write_text(inspecting(found, "*) echo 'i/o timeout' >&2; exit 1;;"))
    with pytest.raises(CommandError, match="i/o timeout"):
        all_containers()
