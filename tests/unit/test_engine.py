"""What the Docker command line says, told in words."""

import os
from pathlib import Path

import pytest

from serving.release.engine import EngineError, GoneError, ImageDetails, docker, logs

SAID = {
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is it running?": (
        "the Docker Engine is out of reach"
    ),
    "permission denied while trying to connect to the Docker daemon socket at unix:///x": (
        "the Docker Engine is out of reach"
    ),
    "failed to solve: write /bento: no space left on device": "the engine's disk is full",
    "denied: requested access to the resource is denied": "does not let you in",
    'Get "http://localhost:5050/v2/": dial tcp 127.0.0.1:5050: connect: connection refused': (
        "the registry is out of reach"
    ),
    "something else": "it has failed",
}


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command docker that prints the file `said`, and ends with an error."""
    command = tmp_path / "docker"
    command.write_text(f'#!/bin/sh\ncat "{tmp_path}/said" >&2\nexit 1\n')
    command.chmod(0o755)
    monkeypatch.setitem(os.environ, "PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path / "said"


@pytest.mark.parametrize("said", SAID)
def test_an_error_says_what_it_means_and_what_the_engine_said(says: Path, said: str) -> None:
    says.write_text(said)
    with pytest.raises(EngineError) as caught:
        docker("image", "push", "localhost:5050/iris:v3")
    assert str(caught.value).startswith("docker image push: ")
    assert SAID[said] in str(caught.value)
    assert said in str(caught.value)
    assert type(caught.value) is EngineError


@pytest.mark.parametrize(
    "said",
    [
        "Error response from daemon: No such image: iris:v3",
        "Error response from daemon: No such container: 0123",
        "Error response from daemon: network proof not found",
        "Error response from daemon: removal of container 0123 is already in progress",
    ],
)
def test_what_is_not_there_is_an_error_of_its_own(says: Path, said: str) -> None:
    says.write_text(said)
    with pytest.raises(GoneError):
        docker("container", "rm", "0123")


def test_only_the_last_lines_are_told(says: Path) -> None:
    says.write_text("\n".join(f"line {number}" for number in range(100)))
    with pytest.raises(EngineError) as caught:
        logs("0123", lines=3)
    assert str(caught.value).splitlines()[1:] == [f"line {number}" for number in range(95, 100)]


def test_without_the_command_there_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    with pytest.raises(EngineError, match="the command docker can't be run .*; install"):
        docker("image", "ls")


def test_an_image_without_labels_has_none() -> None:
    content = '{"Id": "sha256:0", "Config": {"Labels": null}, "RootFS": {"Layers": ["sha256:1"]}}'
    found = ImageDetails.model_validate_json(content)
    assert (found.labels, found.layers) == ({}, ["sha256:1"])
