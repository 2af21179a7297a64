"""Bentos are built of a small model, built again, and killed on the way into the store."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ml_assets.resources.pins import installed_pin
from serving.release import packaging
from serving.release.bento_files import is_built_of
from serving.release.packaging import BuiltBento, PackagingError, build_bento
from serving.runtime.errors import ModelFileError
from serving.runtime.manifest import XGBOOST, ModelManifest
from serving.runtime.model import Model
from serving.runtime.release_notes import ReleaseNotes
from tests.unit.model_cases import REGISTERED, forecast_model

ROOT = Path(__file__).parents[2]
BUILD = """
import os
import signal
import sys
from pathlib import Path
from serving.release.packaging import build_bento
from tests.unit.model_cases import REGISTERED
rename = Path.rename
def rename_and_die(path, target):
    rename(path, target)
    os.kill(os.getpid(), signal.SIGKILL)
if len(sys.argv) > 3:
    Path.rename = rename_and_die
build_bento(Path(sys.argv[1]), version="3", created=REGISTERED, bento_home=Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model")
    forecast_model(directory)
    return directory


@pytest.fixture(scope="module")
def built(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with version 3, which tests copy before they change it."""
    home = tmp_path_factory.mktemp("bentoml")
    build_bento(bundle, version="3", created=REGISTERED, bento_home=home)
    return home


@pytest.fixture
def store(built: Path, tmp_path: Path) -> Path:
    return shutil.copytree(built, tmp_path / "store")


@pytest.fixture
def bento(store: Path) -> BuiltBento:
    return BuiltBento("oven:v3", store / "bentos" / "oven" / "v3")


@pytest.fixture
def damaged(bundle: Path, tmp_path: Path) -> Path:
    copy = shutil.copytree(bundle, tmp_path / "damaged")
    with (copy / "model.ubj").open("ab") as file:
        file.write(b"x")
    return copy


def state(store: Path) -> dict[Path, tuple[int, int]]:
    """Which files there are, and which would be others after a copy."""
    stats = {path: path.stat() for path in (store / "bentos" / "oven" / "v3").rglob("*")}
    return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in stats.items()}


def manifest_of(bundle: Path, estimator: str) -> ModelManifest:
    return Model.load(bundle).manifest.model_copy(update={"estimator": estimator})


def test_a_bento_holds_the_runtime_and_the_model_and_nothing_else(bento: BuiltBento) -> None:
    source = bento.path / "src"
    found = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    modules = (ROOT / "serving/runtime").rglob("*.py")
    runtime = {str(path.relative_to(ROOT)) for path in modules}
    model = {"model/model.json", "model/model.ubj", "model/base.json"}
    assert found == runtime | model | {"serving/__init__.py", "bentofile.yaml", "release.json"}


def test_a_bento_says_what_it_is_and_listens_on_the_documented_port(bento: BuiltBento) -> None:
    content = (bento.path / "bento.yaml").read_text()
    assert "labels:\n  model: oven\n  version: '3'\n  data_version: seed 1\n" in content
    assert "http:\n      port: 8000\n" in content


def test_a_bento_asks_for_the_locked_packages_of_the_runtime_only(bento: BuiltBento) -> None:
    wanted = (bento.path / "env/python/requirements.txt").read_text().split()
    names = {line.partition("==")[0] for line in wanted}
    assert names == {"bentoml", "numpy", "pydantic", "tzdata", "xgboost-cpu"}
    lock = (ROOT / "requirements/serve.txt").read_text()
    assert all("==" in line and f"{line} " in lock for line in wanted)


@pytest.mark.parametrize(
    ("estimator", "pin"), [("sklearn.linear_model.Ridge", "skops==9.9"), (XGBOOST, None)]
)
def test_the_lock_of_scikit_learns_services_is_for_its_models(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, estimator: str, pin: str | None
) -> None:
    monkeypatch.setattr(packaging, "SKOPS_LOCK", tmp_path / "lock.txt")
    packaging.SKOPS_LOCK.write_text("numpy==8.8 \\\n    --hash=sha256:0\nskops==9.9\n")
    pins = packaging._requirements(manifest_of(bundle, estimator))
    assert [one for one in pins if one.startswith("skops")] == ([pin] if pin else [])
    assert ("numpy==8.8" in pins) == bool(pin)


def test_without_a_lock_pins_are_those_of_what_is_installed(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for lock in ("LOCK", "SKOPS_LOCK"):
        monkeypatch.setattr(packaging, lock, tmp_path / "none.txt")
    names = {
        pin.partition("==")[0]
        for pin in packaging._requirements(manifest_of(bundle, "sklearn.linear_model.Ridge"))
    }
    assert names == {"numpy", "pydantic", "tzdata", "xgboost-cpu", "scikit-learn", "skops"}


def test_what_is_locked_need_not_be_installed(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaging, "PACKAGES", ("not-installed",))
    monkeypatch.setattr(packaging, "LOCK", tmp_path / "lock.txt")
    packaging.LOCK.write_text("not-installed==1.0\n")
    manifest = manifest_of(bundle, XGBOOST)
    assert packaging._requirements(manifest) == ["not-installed==1.0"]
    packaging.LOCK.write_text("")
    with pytest.raises(PackagingError, match=r"not-installed is neither in .*lock\.txt nor"):
        packaging._requirements(manifest)


def test_what_the_store_holds_already_is_left_untouched(
    bundle: Path, store: Path, bento: BuiltBento
) -> None:
    (bento.path / "src/serving/runtime/__pycache__").mkdir()
    (bento.path / "src/serving/runtime/__pycache__/app.cpython-311.pyc").touch()
    before = state(store)
    assert build_bento(bundle, version="3", created=REGISTERED, bento_home=store) == bento
    assert state(store) == before


@pytest.mark.parametrize(
    "name",
    [
        "src/model/model.json",
        "src/model/model.ubj",
        "src/serving/runtime/served.py",
        "src/serving/runtime/new.py",
        "env/python/requirements.txt",
    ],
)
def test_a_bento_with_another_file_is_another_one(
    bundle: Path, bento: BuiltBento, tmp_path: Path, name: str
) -> None:
    context = tmp_path / "context"
    manifest = packaging._stage(bundle, context, notes=ReleaseNotes())
    pins = [*packaging._requirements(manifest), installed_pin("bentoml")]
    assert is_built_of(context, bento.path, packages=pins, created=REGISTERED)
    with (bento.path / name).open("a") as file:
        file.write("changed")
    assert not is_built_of(context, bento.path, packages=pins, created=REGISTERED)


def test_a_version_with_another_content_is_replaced(
    bundle: Path, store: Path, bento: BuiltBento
) -> None:
    (bento.path / "src/model/model.ubj").write_bytes(b"damaged")
    assert build_bento(bundle, version="3", created=REGISTERED, bento_home=store) == bento
    assert Model.load(bento.path / "src/model").manifest.data_version == "seed 1"
    assert [*(store / "replaced").glob("*/*")] == []


def test_the_version_asked_for_last_is_the_latest(bundle: Path, store: Path) -> None:
    latest = store / "bentos" / "oven" / "latest"
    for version in ("4", "3"):
        build_bento(bundle, version=version, created=REGISTERED, bento_home=store)
        assert latest.read_text() == f"v{version}"


def test_a_damaged_model_is_refused_and_the_store_stays_as_it_was(
    store: Path, damaged: Path
) -> None:
    before = state(store)
    with pytest.raises(ModelFileError, match=r"model\.ubj"):
        build_bento(damaged, version="3", created=REGISTERED, bento_home=store)
    assert state(store) == before


def test_a_killed_build_leaves_no_bento_and_the_next_one_works(
    bundle: Path, tmp_path: Path
) -> None:
    arguments = [sys.executable, "-c", BUILD, str(bundle), str(tmp_path)]
    build = subprocess.Popen(arguments, cwd=ROOT, start_new_session=True)
    while build.poll() is None and not [*tmp_path.glob("build/*/context/bentofile.yaml")]:
        time.sleep(0.01)
    os.killpg(build.pid, signal.SIGKILL)
    assert build.wait() == -signal.SIGKILL
    assert not (tmp_path / "bentos").exists()
    built = build_bento(bundle, version="3", created=REGISTERED, bento_home=tmp_path)
    assert json.loads((built.path / "src/model/model.json").read_text())["name"] == "oven"
    assert [*(tmp_path / "build").iterdir()] == []


def test_a_bento_that_a_killed_build_took_away_comes_back_with_the_next_build(
    bundle: Path, store: Path, bento: BuiltBento, damaged: Path
) -> None:
    (bento.path / "src/model/model.ubj").write_bytes(b"the one before")
    arguments = [sys.executable, "-c", BUILD, str(bundle), str(store), "die"]
    assert subprocess.run(arguments, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert not bento.path.exists()
    with pytest.raises(ModelFileError):
        build_bento(damaged, version="9", created=REGISTERED, bento_home=store)
    assert (bento.path / "src/model/model.ubj").read_bytes() == b"the one before"


def test_a_store_that_cannot_be_written_is_a_clear_error(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(PackagingError, match="can't be built in"):
        build_bento(bundle, version="3", created=REGISTERED, bento_home=tmp_path / "file")


@pytest.mark.parametrize("version", ["", "../3", "3:4", "a b"])
def test_a_version_that_is_no_part_of_a_name_is_refused(
    bundle: Path, tmp_path: Path, version: str
) -> None:
    with pytest.raises(PackagingError, match="can't be a model's version"):
        build_bento(bundle, version=version, created=REGISTERED, bento_home=tmp_path)
