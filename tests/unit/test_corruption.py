"""A damaged model is refused by its sha256 before anything parses it."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from serving.runtime import model
from serving.runtime.errors import ModelFileError
from serving.runtime.files import sha256
from serving.runtime.http import start
from serving.runtime.release_notes import RELEASE, ReleaseNotes, read_release_notes
from serving.runtime.settings import ServiceSettings
from tests.unit.model_cases import forecast_model

CORRUPTIONS = 1000
FILES = ("model.json", "model.ubj", "base.json")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's directory with the notes of its release beside it."""
    directory = tmp_path_factory.mktemp("bento") / "model"
    forecast_model(directory)
    note(directory)
    return directory


def note(directory: Path) -> None:
    digest = sha256((directory / "model.json").read_bytes())
    (directory.parent / RELEASE).write_text(ReleaseNotes(digest=digest).model_dump_json())


def load(directory: Path) -> object:
    notes = read_release_notes(directory)
    return start.load_application(directory, notes=notes, version="3", settings=ServiceSettings())


def corrupted(content: bytes, rng: np.random.Generator) -> bytes:
    """The content with a bit turned, a piece cut off, doubled, blanked or replaced."""
    data, at = bytearray(content), int(rng.integers(len(content)))
    length = int(rng.integers(1, 64))
    kind = int(rng.integers(5))
    if kind == 0:
        data[at] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del data[at:]
    elif kind == 2:
        data[at:at] = data[at : at + length]
    elif kind == 3:
        data[at : at + length] = bytes(len(data[at : at + length])) or b"\0"
    else:
        data[at : at + length] = rng.bytes(length)
    return bytes(data)


def forbid_parsing(monkeypatch: pytest.MonkeyPatch, *, of_manifest: bool) -> None:
    def parse(*content: object, **options: object) -> None:
        raise AssertionError("a damaged file was parsed")

    monkeypatch.setattr(model, "build_predictor", parse)
    if of_manifest:
        monkeypatch.setattr(model.ModelManifest, "model_validate_json", parse)


@pytest.mark.parametrize("name", FILES)
def test_random_corruptions_are_refused_before_they_are_parsed(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    directory = shutil.copytree(released.parent, tmp_path / "bento") / "model"
    forbid_parsing(monkeypatch, of_manifest=name == "model.json")
    content = (directory / name).read_bytes()
    rng = np.random.default_rng(len(content))
    refused = 0
    while refused < CORRUPTIONS:
        damaged = corrupted(content, rng)
        if damaged == content:
            continue
        (directory / name).write_bytes(damaged)
        with pytest.raises(ModelFileError, match="sha256"):
            load(directory)
        refused += 1


@pytest.mark.parametrize("name", FILES)
def test_the_file_of_another_model_is_refused_before_it_is_parsed(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    directory = shutil.copytree(released.parent, tmp_path / "bento") / "model"
    forecast_model(tmp_path / "other", seed=5)
    shutil.copy(tmp_path / "other" / name, directory / name)
    forbid_parsing(monkeypatch, of_manifest=name == "model.json")
    with pytest.raises(ModelFileError, match="sha256"):
        load(directory)


def test_the_released_model_itself_is_loaded(released: Path) -> None:
    load(released)
