"""`docker/build`: what it asks of the engine, which is away here."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

DOCKER = """#!/bin/sh
echo "$*" >>{log}
case "$*" in *inspect*-base:*) echo 100000000;; *inspect*) echo {size};; esac
"""


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """A directory of commands in which docker writes down what it is asked."""
    (tmp_path / "bin").mkdir()
    _write(tmp_path / "bin", size=100_000_000)
    return tmp_path / "bin"


def _write(engine: Path, *, size: int) -> None:
    """Makes a docker whose images have a size."""
    tool = engine / "docker"
    tool.write_text(DOCKER.format(log=engine.parent / "log", size=size))
    tool.chmod(0o755)


def _build(engine: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker/build", *arguments],
        cwd=ROOT,
        env={"PATH": f"{engine}:/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
    )


def _asked(engine: Path, *arguments: str) -> list[str]:
    ended = _build(engine, *arguments)
    assert ended.returncode == 0, ended.stderr
    lines = (engine.parent / "log").read_text().splitlines()
    return [line for line in lines if line.startswith("buildx")]


def test_an_image_is_loaded_under_every_tag(engine: Path) -> None:
    base, image = _asked(engine, "-i", "serve", "-t", "1.2.3", "-t", "abc")
    assert "--tag ml-assets-base:1.2.3" in base
    assert "--tag ml-assets-serve:1.2.3 --tag ml-assets-serve:abc " in image
    assert "--load" in image
    assert "--push" not in image


def test_what_is_pushed_is_for_all_platforms_and_tells_where_it_is_from(engine: Path) -> None:
    platforms = "linux/amd64,linux/arm64"
    asked = _asked(
        engine, "-i", "train", "-t", "1", "-p", platforms, "-r", "registry.example.org/x"
    )
    [image] = asked
    assert f"--platform {platforms} " in image
    assert "--tag registry.example.org/x-train:1 " in image
    assert "--push --provenance mode=max --sbom true" in image
    assert "--load" not in image


def test_the_base_of_services_says_of_which_lock_file_it_is(engine: Path) -> None:
    [image] = _asked(engine, "-i", "serve", "-r", "registry.example.org/x")
    assert "--label ml-assets.lock=sha256:" in image
    assert "GIT_COMMIT" not in image


@pytest.mark.parametrize(("size", "status"), [(350_000_000, 0), (351_000_000, 1)])
def test_an_image_over_its_own_budget_ends_the_build(engine: Path, size: int, status: int) -> None:
    _write(engine, size=size)
    ended = _build(engine, "-i", "serve")
    assert ended.returncode == status
    assert ("ml-assets-serve:" in ended.stderr) == bool(status)
    assert "budget 250 MB" in ended.stdout


@pytest.mark.parametrize("name", ["build", "configure", "keys", "up"])
def test_what_is_typed_on_a_mac_needs_no_newer_bash_than_its_own(name: str) -> None:
    """Version 3.2 has no tables, and takes an empty list for unset."""
    text = (ROOT / "docker" / name).read_text()
    assert not re.search(r"declare -A|mapfile|\$\{\w+,,\}", text)
    for one in ("platform", "options", "scale"):
        used = f'"${{{one}[@]}}"'
        assert used not in text.replace(f"${{{one}[@]+{used}}}", "")
