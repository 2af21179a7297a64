"""The same files give the same image: of a model, and of the runtime that it is put on."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.release import image
from serving.release.engine import docker
from serving.release.image import ServiceImage, build_image
from serving.release.packaging import build_bento
from tests.conftest import ROOT
from tests.docker.engine import engine
from tests.docker.image_cases import BASE, FAMILY, LABELS
from tests.docker.image_differences import first_difference, saved
from tests.docker.test_images import VERSION
from tests.unit.model_cases import REGISTERED

pytestmark = pytest.mark.docker

RUNTIMES = ("serve", "serve-sklearn")
EPOCH = 315532800
"""The first day of 1980."""
SECONDS_PER_DAY = 86400
ANEW = f"anew-{FAMILY}"
"""Tag of images that are built here."""


def built_anew(image: str, *, tree: Path) -> str:
    """The name of an image that is built from a tree, without the layers that the engine has."""
    command = [tree / "docker" / "build", "-i", image, "-t", ANEW, "--", "--no-cache"]
    subprocess.run(command, check=True)
    return f"ml-assets-{image}:{ANEW}"


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """The files of runtime images in another directory, and as a stricter umask leaves them."""
    for name in ("docker", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copy(ROOT / ".dockerignore", tmp_path)
    for path in tmp_path.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    yield tmp_path
    names = engine(
        "image", "ls", "--format={{.Repository}}:{{.Tag}}", "--filter=reference=ml-assets-*"
    )
    engine("image", "rm", *(name for name in names.split() if name.endswith(f":anew-{FAMILY}")))


def test_a_runtime_that_is_built_anew_elsewhere_is_the_same(tree: Path) -> None:
    """The other one is made in the same way of fewer packages."""
    anew = built_anew("serve-sklearn", tree=tree)
    assert first_difference(f"ml-assets-serve-sklearn:{VERSION}", anew) is None


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_runtime_tells_no_time_but_its_bases_and_the_one_that_all_builds_have(
    runtime: str,
) -> None:
    base = ("image", "inspect", "--format={{json .RootFS.Layers}}", f"ml-assets-base:{VERSION}")
    with saved(f"ml-assets-{runtime}:{VERSION}") as archive:
        layers = {digest: list(archive.layer(digest)) for digest in archive.layers}
        created = archive.config["created"]
    of_base = [entry for digest in json.loads(engine(*base)) for entry in layers.pop(digest)]
    known = {EPOCH, *(entry.mtime for entry in of_base)}
    entries = (entry for layer in layers.values() for entry in layer)
    assert [entry.name for entry in entries if entry.mtime not in known] == []
    assert created == "1980-01-01T00:00:00Z"


def test_the_user_of_a_runtime_has_no_password_of_today() -> None:
    name = f"ml-assets-serve:{VERSION}"
    shadow = engine("run", "--rm", "--network=none", "--user=0", name, "cat", "/etc/shadow")
    [changed] = [line.split(":")[2] for line in shadow.splitlines() if line.startswith("app:")]
    assert int(changed) == EPOCH // SECONDS_PER_DAY


def test_a_model_that_is_released_anew_elsewhere_has_the_same_image(
    oven: Path, oven_image: ServiceImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_cache(*arguments: str) -> str:
        is_build = arguments[:2] == ("buildx", "build")
        return docker(*arguments, *(["--no-cache"] if is_build else []))

    monkeypatch.setattr(image, "docker", without_cache)
    model = shutil.copytree(oven, tmp_path / "model", copy_function=shutil.copyfile)
    bento = build_bento(model, version="3", created=REGISTERED, bento_home=tmp_path / "home")
    again = build_image(bento, name=f"{FAMILY}/anew:v3", base=BASE, labels=LABELS)
    assert first_difference(oven_image.id, again.name) is None
    assert oven_image.id == again.id
