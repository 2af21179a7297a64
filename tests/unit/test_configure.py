"""`docker/configure` and the Makefile: what stands in .env stays, and what is missing is added."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

DOCKER = """#!/bin/sh
echo "$*" >{asked}
echo "$*" >>{all}
case "$*" in compose*" up "*) env | grep -E '_(DIR|FILE|KEY)=$' >{seen}; exit 0;; esac
exit 1
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout of what configures the platform, and an engine that is away."""
    home = tmp_path / "project"
    (home / "docker").mkdir(parents=True)
    for name in ("docker/configure", "docker/up", "Makefile", ".env.example", "pyproject.toml"):
        shutil.copy(ROOT / name, home / name)
    for name in ("build", "keys"):
        _script(home / "docker" / name, "#!/bin/sh\n")
    _script(
        tmp_path / "bin" / "docker",
        DOCKER.format(seen=tmp_path / "seen", asked=tmp_path / "asked", all=tmp_path / "all"),
    )
    return home


def _script(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _ended(project: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    places = f"{project.parent / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    return subprocess.run(
        command,
        cwd=project,
        env={"PATH": places, "HOME": str(project), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def _run(project: Path, *command: str, **environment: str) -> str:
    ended = _ended(project, *command, **environment)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _configure(project: Path, *, argument: str = "", **environment: str) -> str:
    return _run(project, "docker/configure", *filter(None, [argument]), **environment)


def _settings(project: Path) -> dict[str, str]:
    lines = (project / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_everything_compulsory_is_written_for_its_owner_alone(project: Path) -> None:
    _configure(project)
    found = _settings(project)
    assert len({value for name, value in found.items() if name.endswith("PASSWORD")}) == 5
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


def test_a_host_that_pulls_builds_nothing_and_is_told_of_no_port_that_only_a_checkout_has(
    project: Path,
) -> None:
    """Whatever its directory is called."""
    plain = "/usr/local/ml/docker-compose.yml"
    (project / ".env").write_text(
        f"IMAGES=registry.example.org/ml\nML_ASSETS_VERSION=1.0.0\nCOMPOSE_FILE={plain}\n"
    )
    _script(project / "docker" / "build", "#!/bin/sh\nexit 1\n")
    make = shutil.which("make", path=os.environ["PATH"])
    assert make
    told = _run(project, make, "monitoring")
    assert "Grafana http://localhost:3000" in told
    assert not {"5000", "9090"} & set(re.findall(r"localhost:(\d+)", told))
    assert len(_settings(project)["MLFLOW_UI_PASSWORD"]) == 48


def test_images_are_built_in_a_checkout_unless_env_says_where_they_are(project: Path) -> None:
    _configure(project)
    assert _settings(project)["COMPOSE_FILE"] == "docker-compose.yml:docker-compose.local.yml"
    (project / ".env").write_text("IMAGES=registry.example.org/ml\nML_ASSETS_VERSION=1.0.0\n")
    _configure(project)
    found = _settings(project)
    assert "COMPOSE_FILE" not in found
    assert len(found["MLFLOW_UI_PASSWORD"]) == 48
    assert (found["IMAGES"], found["ML_ASSETS_VERSION"]) == ("registry.example.org/ml", "1.0.0")


def test_the_database_is_chosen_once(project: Path) -> None:
    _configure(project, argument="DATABASE=sqlite")
    _configure(project, argument="DATABASE=postgres")
    assert _settings(project)["DATABASE"] == "sqlite"


def test_the_image_that_is_served_is_replaced(project: Path) -> None:
    for image in ("iris@sha256:1", "iris@sha256:2"):
        _configure(project, argument=f"SERVICE_IMAGE={image}")
    assert _settings(project)["SERVICE_IMAGE"] == "iris@sha256:2"


def test_another_database_than_the_platforms_is_refused(project: Path) -> None:
    _configure(project, argument="DATABASE=sqlite")
    ended = _ended(project, "docker/up", "-d", "postgres", "dev")
    assert ended.returncode == 2
    assert "keeps its rows in sqlite (DATABASE in .env)" in ended.stderr


@pytest.mark.parametrize("command", ["train", "serve", "release", "registry-list"])
def test_a_command_about_a_platform_that_is_down_says_so(project: Path, command: str) -> None:
    _configure(project)
    ended = _ended(project, "make", command)
    assert ended.returncode == 2
    assert ended.stderr.startswith("the platform is down; start it with: make up")
    assert (project.parent / "asked").read_text() == "compose ps --quiet mlflow\n"


def test_a_platform_that_does_not_come_up_says_who_finds_the_reason(project: Path) -> None:
    (project / ".env").write_text("DATABASE=sqlite\n")
    _script(project.parent / "bin" / "docker", "#!/bin/sh\nexit 18\n")
    ended = _ended(project, "docker/up", "dev")
    assert ended.returncode == 1
    assert "make doctor looks for what is in its way" in ended.stderr


def test_a_platform_without_data_may_choose_its_database_anew(project: Path) -> None:
    _configure(project, argument="DATABASE=sqlite")
    _configure(project, argument="SERVICE_IMAGE=iris@sha256:1")
    before = _settings(project)
    _script(project.parent / "bin" / "docker", "#!/bin/sh\n")
    _run(project, "make", "down-volumes", YES="1")
    kept = {name: before[name] for name in before if name not in {"DATABASE", "SERVICE_IMAGE"}}
    assert _settings(project) == kept
    assert (project / ".env").stat().st_mode & 0o077 == 0


def test_a_served_image_that_is_not_here_is_pulled_from_the_registry_which_is_started_first(
    project: Path,
) -> None:
    (project / ".env").write_text("DATABASE=sqlite\nSERVICE_IMAGE=localhost:5050/iris@sha256:1\n")
    _run(project, "docker/up", "serve")
    assert (project.parent / "all").read_text().splitlines() == [
        "image inspect localhost:5050/iris@sha256:1",
        "compose up --detach --wait registry",
        "compose --profile serve up --detach --wait",
    ]


@pytest.mark.parametrize(
    ("settings", "profiles", "expected"),
    [
        ("DATABASE=sqlite", ["dev"], "--profile dev up --detach --wait"),
        ("DATABASE=postgres", [], "--profile postgres up --detach --wait"),
        ("DATABASE=postgres\nPOSTGRES_HOST=db", [], "up --detach --wait"),
        (
            "DATABASE=sqlite",
            ["full"],
            "--profile full up --detach --wait --scale api=0 --scale api-feast=0",
        ),
        ("DATABASE=sqlite\nSERVICE_IMAGE=x", ["full"], "--profile full up --detach --wait"),
    ],
)
def test_profiles_are_started_with_their_database(
    project: Path, settings: str, profiles: list[str], expected: str
) -> None:
    (project / ".env").write_text(f"{settings}\n")
    _run(project, "docker/up", *profiles)
    assert (project.parent / "asked").read_text() == f"compose {expected}\n"


def test_compose_files_that_somebody_chose_before_the_first_start_stay(project: Path) -> None:
    chosen = "docker-compose.yml:docker-compose.local.yml:mine.yml"
    (project / ".env").write_text(f"COMPOSE_FILE={chosen}\n")
    _configure(project)
    found = _settings(project)
    assert (found["COMPOSE_FILE"], found["IMAGES"]) == (chosen, "ml-assets")


def test_compose_files_that_pull_need_to_know_from_where(project: Path) -> None:
    (project / ".env").write_text("COMPOSE_FILE=docker-compose.yml\n")
    ended = _ended(project, "docker/configure")
    assert ended.returncode == 1
    assert "say from where in IMAGES" in ended.stderr
