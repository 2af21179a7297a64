"""What an evaluation leaves in MLflow for the proof of a release."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ml_assets.core.errors import RegistryError
from ml_assets.core.evaluation.golden import GOLDEN_REQUESTS
from ml_assets.resources.version_files import RegisteredVersion
from serving.golden import GOLDEN_FILE
from serving.runtime.errors import ModelFileError
from serving.runtime.files import sha256
from serving.runtime.model import Model
from tests.integration.workplace import TRANSFORMER, Workplace
from tests.unit.golden_cases import assert_answers


@pytest.fixture
def version(promoted: Workplace) -> RegisteredVersion:
    return promoted.version(TRANSFORMER)


@pytest.fixture
def golden_file(promoted: Workplace, version: RegisteredVersion) -> Iterator[Path]:
    """The file where MLflow keeps it; as it was after the test."""
    run = version.tags["golden"].split("/")[1]
    path = promoted.home / "mlartifacts" / run / "artifacts" / GOLDEN_FILE
    content = path.read_bytes()
    yield path
    path.write_bytes(content)


def test_the_registered_model_answers_them(
    promoted: Workplace, version: RegisteredVersion, tmp_path: Path
) -> None:
    requests = promoted.registry.golden(version)
    assert len(requests) == GOLDEN_REQUESTS
    assert_answers(Model.load(promoted.registry.bundle(version, tmp_path)), requests)


def test_the_version_names_the_run_that_evaluated_it_and_the_digest(
    promoted: Workplace, version: RegisteredVersion, golden_file: Path
) -> None:
    scheme, run, name = version.tags["golden"].split("/")
    assert (scheme, name) == ("runs:", GOLDEN_FILE)
    assert promoted.mlflow.get_run(run).data.tags["evaluated_version"] == str(version.version)
    assert version.tags[f"sha256.{GOLDEN_FILE}"] == sha256(golden_file.read_bytes())


def test_another_evaluation_keeps_its_own(promoted: Workplace, version: RegisteredVersion) -> None:
    before = version.tags
    staged = promoted.version(TRANSFORMER, "staging")
    result = promoted.execute(TRANSFORMER, assets=["evaluation"])
    (event,) = result.get_asset_materialization_events()
    after = promoted.registry.version(TRANSFORMER, staged.version).tags
    assert event.materialization.metadata["golden requests"].value == GOLDEN_REQUESTS
    assert after["golden"] != before["golden"]
    assert len(promoted.registry.golden(promoted.version(TRANSFORMER, "staging"))) == 500


def test_a_file_that_was_changed_is_not_read(
    promoted: Workplace, version: RegisteredVersion, golden_file: Path
) -> None:
    golden_file.write_bytes(b"not even gzip")
    with pytest.raises(ModelFileError, match=r"is not the file that the evaluation of .* wrote"):
        promoted.registry.golden(version)


def test_a_file_that_is_gone_is_named(
    promoted: Workplace, version: RegisteredVersion, golden_file: Path
) -> None:
    golden_file.unlink()
    with pytest.raises(RegistryError, match=GOLDEN_FILE):
        promoted.registry.golden(version)


def test_a_version_without_any_says_how_to_make_them(
    promoted: Workplace, version: RegisteredVersion
) -> None:
    with pytest.raises(RegistryError, match=f"no golden requests .* run {TRANSFORMER}_evaluate"):
        promoted.registry.golden(replace(version, tags={}))
