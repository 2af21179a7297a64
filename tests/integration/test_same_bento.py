"""A Bento is the same whenever and wherever it is built, and as old as its model's version."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from serving.release.bento_files import BentoFileError, set_creation_time
from serving.release.layer import content_hash, read_files
from serving.release.packaging import BuiltBento, bentoml_environment, build_bento
from tests.unit.model_cases import REGISTERED, forecast_model


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model")
    forecast_model(directory)
    return directory


def build(bundle: Path, home: Path, *, created: datetime = REGISTERED) -> BuiltBento:
    return build_bento(bundle, version="3", created=created, bento_home=home)


@pytest.fixture(scope="module")
def first(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> BuiltBento:
    return build(bundle, tmp_path_factory.mktemp("first"))


def differing(one: BuiltBento, other: BuiltBento) -> Sequence[str]:
    """The files that only one of two Bentos has, or that differ."""
    left, right = read_files(one.path), read_files(other.path)
    return [path for path in left | right if left.get(path) != right.get(path)]


def test_another_time_and_other_directories_give_the_same_bento(
    bundle: Path, first: BuiltBento, tmp_path: Path
) -> None:
    model = shutil.copytree(bundle, tmp_path / "model", copy_function=shutil.copyfile)
    second = build(model, tmp_path / "home")
    assert differing(first, second) == []
    assert content_hash(read_files(first.path)) == content_hash(read_files(second.path))


def test_a_file_that_was_changed_is_shown(first: BuiltBento, tmp_path: Path) -> None:
    copy = BuiltBento(first.tag, shutil.copytree(first.path, tmp_path / "copy"))
    with (copy.path / "src" / "serving" / "runtime" / "zones.py").open("a") as file:
        file.write("\n")
    assert differing(first, copy) == ["src/serving/runtime/zones.py"]
    assert content_hash(read_files(first.path)) != content_hash(read_files(copy.path))


def test_a_version_that_was_registered_later_is_another_bento_by_its_time_alone(
    bundle: Path, tmp_path: Path
) -> None:
    before = build(bundle, tmp_path)
    kept = BuiltBento(before.tag, shutil.copytree(before.path, tmp_path / "kept"))
    later = build(bundle, tmp_path, created=REGISTERED + timedelta(seconds=1))
    assert differing(kept, later) == ["bento.yaml"]


def test_bentoml_lists_a_bento_with_the_time_of_its_version(first: BuiltBento) -> None:
    home = first.path.parents[2]
    command = [sys.executable, "-m", "bentoml", "list", "--output", "json"]
    listed = subprocess.run(
        command, env=bentoml_environment(home), capture_output=True, text=True, check=True
    )
    [found] = json.loads(listed.stdout)
    assert (found["tag"], found["creation_time"]) == (first.tag, "2026-01-02 03:04:05")


@pytest.mark.parametrize("text", ["name: oven\n", "creation_time: 1\ncreation_time: 2\n"])
def test_a_bento_that_gives_no_single_time_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "bento.yaml").write_text(text)
    with pytest.raises(BentoFileError, match=r"bento\.yaml has [02] lines with a creation_time"):
        set_creation_time(tmp_path, REGISTERED)
