"""What is in the images of the platform, and what is not."""

import json
import os
import re
import subprocess
import tomllib

import pytest

from serving.release.contents.rules import COMMANDS
from serving.release.image import LOCK
from serving.runtime.files import sha256
from tests.conftest import ROOT
from tests.docker.engine import engine

pytestmark = pytest.mark.docker

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
ALL = ("train", "release", "dagster", "mlflow", "serve", "serve-sklearn")
WRITE = """
import os, pathlib, tempfile
for place in (os.environ["HOME"], "/var/lib/ml_assets", "/var/lib/dagster/storage", "/tmp"):
    path = pathlib.Path(place, "written")
    path.write_text("by somebody")
    path.unlink()
"""


def run(image: str, *command: str, user: str = "1000:0") -> str:
    """What a command prints in a container of an image."""
    name = f"ml-assets-{image}:{VERSION}"
    return engine("run", "--rm", "--network=none", f"--user={user}", name, *command)


def modules(image: str, *names: str) -> set[str]:
    """Which modules an image has."""
    code = f"import importlib.util as u; print([n for n in {names!r} if u.find_spec(n)])"
    found: list[str] = json.loads(run(image, "python", "-c", code).replace("'", '"'))
    return set(found)


@pytest.mark.parametrize("image", ALL)
def test_an_image_runs_as_a_user_without_rights_and_as_any_other_of_group_0(image: str) -> None:
    assert engine("inspect", "--format", "{{.Config.User}}", f"ml-assets-{image}:{VERSION}") == (
        "1000:0"
    )
    run(image, "python", "-c", WRITE)
    run(image, "python", "-c", WRITE, user="12345:0")


@pytest.mark.parametrize("image", ALL)
def test_an_image_has_no_compiler_no_git_and_no_installer(image: str) -> None:
    found = run(image, "sh", "-c", f"command -v {' '.join(COMMANDS)}; true").split()
    assert [path for path in found if not path.startswith("/opt/venv/")] == []


@pytest.mark.parametrize("image", ALL)
def test_an_image_says_what_it_is_and_checks_its_health(image: str) -> None:
    config = json.loads(
        engine("inspect", "--format", "{{json .Config}}", f"ml-assets-{image}:{VERSION}")
    )
    assert config["Labels"]["org.opencontainers.image.version"] == VERSION
    # A commit that changes nothing in the image of a service leaves that image the same.
    commit = config["Labels"].get("org.opencontainers.image.revision", "")
    assert commit == "" if image.startswith("serve") else len(commit) >= 40
    assert config["Healthcheck"]["Test"][:2] == ["CMD", "health"]


@pytest.mark.parametrize("service", ["code-server", "webserver", "mlflow", "service", "feast"])
def test_a_health_check_fails_where_nothing_answers(service: str) -> None:
    name = f"ml-assets-train:{VERSION}"
    ended = subprocess.run(
        ["docker", "run", "--rm", "--network=none", name, "health", service],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert re.search("Connection refused|failed to connect", ended.stderr)


def test_dagsters_own_image_has_no_libraries_of_ml() -> None:
    names = ("dagster_webserver", "dagster_docker", "xgboost", "mlflow", "feast", "pandas", "numpy")
    assert modules("dagster", *names) == {"dagster_webserver", "dagster_docker"}


def test_the_release_image_packages_but_can_not_train() -> None:
    names = ("bentoml", "sklearn", "feast", "optuna", "pandas", "ml_assets.resources.registry")
    assert modules("release", *names) == {"bentoml", "ml_assets.resources.registry"}
    rooms = ("core.training", "core.evaluation", "core.features", "components", "defs")
    assert modules("release", *(f"ml_assets.{room}" for room in rooms)) == set()
    assert run("release", "docker", "--version").startswith("Docker version")
    assert "GitVersion" in run("release", "cosign", "version")


def test_the_service_image_holds_no_code_of_ours_but_its_start() -> None:
    assert modules("serve", "serving", "ml_assets", "commands", "dagster", "mlflow") == set()
    assert modules("serve-sklearn", "sklearn", "skops", "xgboost") == {
        "sklearn",
        "skops",
        "xgboost",
    }


@pytest.mark.parametrize("image", ["serve", "serve-sklearn"])
def test_a_base_names_the_lock_file_of_its_packages(image: str) -> None:
    digest = sha256((ROOT / "requirements" / f"{image}.txt").read_bytes())
    told = engine(
        "image", "inspect", f'--format={{{{index .Config.Labels "{LOCK}"}}}}',
        f"ml-assets-{image}:{VERSION}",
    )  # fmt: skip
    assert told == f"sha256:{digest}"


def test_a_build_over_its_budget_fails_and_says_which() -> None:
    ended = subprocess.run(
        ["docker/build", "-i", "serve"],
        cwd=ROOT,
        env={**os.environ, "SIZE_BUDGET_MB": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert f"ml-assets-serve:{VERSION} is over its budget" in ended.stderr
