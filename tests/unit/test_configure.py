"""`docker/configure` and the Makefile: what stands in .env stays, and what is missing is added."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

DOCKER = """#!/bin/sh
case "$*" in "compose up"*) env | grep -E '_(DIR|FILE|KEY)=$' >{seen}; exit 0;; esac
exit 1
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout of what configures the platform, and an engine that is away."""
    home = tmp_path / "project"
    (home / "docker").mkdir(parents=True)
    for name in ("docker/configure", "Makefile", ".env.example", "pyproject.toml"):
        shutil.copy(ROOT / name, home / name)
    for name in ("build", "keys"):
        _script(home / "docker" / name, "#!/bin/sh\n")
    _script(tmp_path / "bin" / "docker", DOCKER.format(seen=tmp_path / "seen"))
    return home


def _script(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _run(project: Path, *command: str, **environment: str) -> str:
    places = f"{project.parent / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    ended = subprocess.run(
        command,
        cwd=project,
        env={"PATH": places, "HOME": str(project), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _configure(project: Path, **environment: str) -> str:
    return _run(project, "docker/configure", **environment)


def _settings(project: Path) -> dict[str, str]:
    lines = (project / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_everything_compulsory_is_written_for_its_owner_alone(project: Path) -> None:
    _configure(project)
    found = _settings(project)
    assert len({value for name, value in found.items() if name.endswith("PASSWORD")}) == 4
    for name in ("SIGNING_DIR", "SCAN_DIR", "DELIVERY_DIR", "REGISTRY_AUTH_DIR", "DATA_DIR"):
        assert Path(found[name]).is_dir(), name
    assert (project / ".env").stat().st_mode & 0o777 == 0o600
    assert Path(found["SIGNING_DIR"]).stat().st_mode & 0o7777 == 0o750


def test_a_second_time_nothing_changes(project: Path) -> None:
    _configure(project)
    before = (project / ".env").read_text()
    (project / "var" / "signing").chmod(0o700)
    assert _configure(project) == ""
    assert (project / ".env").read_text() == before
    assert (project / "var" / "signing").stat().st_mode & 0o777 == 0o700


def test_directories_that_were_named_are_made_as_they_must_be(project: Path) -> None:
    (project / ".env").write_text(f"SIGNING_DIR={project}/keys\nDELIVERY_DIR={project}/out\n")
    _configure(project)
    assert (project / "keys").stat().st_mode & 0o7777 == 0o750
    assert (project / "out").stat().st_mode & 0o7777 == 0o2775
    assert not (project / "var" / "signing").exists()


@pytest.mark.parametrize("place", ["file", "environment"])
def test_with_a_key_the_development_profile_goes_and_stays_away(project: Path, place: str) -> None:
    _configure(project)
    assert _settings(project)["RELEASE_PROFILE"] == "development"
    before = (project / ".env").read_text()
    if place == "file":
        (project / ".env").write_text(before + "SIGNING_KEY=release.key\n")
        _configure(project)
    else:
        _configure(project, SIGNING_KEY="release.key")
    assert _settings(project)["RELEASE_PROFILE"] == ""
    text = (project / ".env").read_text().replace("SIGNING_KEY=release.key\n", "")
    (project / ".env").write_text(text)
    _configure(project)
    assert _settings(project)["RELEASE_PROFILE"] == ""


def test_make_up_starts_with_what_it_has_just_written(project: Path) -> None:
    """Compose would prefer the empty values of a copied .env.example to what was written since."""
    shutil.copy(project / ".env.example", project / ".env")
    make = shutil.which("make", path=os.environ["PATH"])
    assert make
    _run(project, make, "up")
    assert (project.parent / "seen").read_text() == ""
    assert _settings(project)["SIGNING_DIR"]
