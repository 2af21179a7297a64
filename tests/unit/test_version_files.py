"""What MLflow keeps of the evaluation of a version, and what is refused of it."""

import gzip
from pathlib import Path

import pytest

from ml_assets.core.errors import RegistryError
from ml_assets.resources.registry import ModelRegistry
from serving.golden import GOLDEN_FILE
from serving.runtime.errors import ModelFileError
from tests.registry_cases import Shelf, keep_golden


@pytest.fixture
def shelf(registry: ModelRegistry) -> Shelf:
    return Shelf(registry)


def _kept(directory: Path, name: str) -> Path:
    """Where MLflow keeps a file."""
    (found,) = directory.rglob(f"*/artifacts/{name}")
    return found


def test_the_file_of_golden_requests_is_the_one_that_was_written(
    shelf: Shelf, tmp_path: Path
) -> None:
    keep_golden(shelf, 2, tmp_path, requests=3)
    content = shelf.registry.golden_file(shelf.version(2))
    assert content == (tmp_path / GOLDEN_FILE).read_bytes()
    assert len(shelf.registry.golden(shelf.version(2))) == 3


def test_a_file_of_golden_requests_that_somebody_changed_is_refused(
    shelf: Shelf, tmp_path: Path
) -> None:
    keep_golden(shelf, 2, tmp_path, requests=3)
    _kept(tmp_path, GOLDEN_FILE).write_bytes(gzip.compress(b"{}"))
    with pytest.raises(ModelFileError, match="is not the file that the evaluation of oven v2 wro"):
        shelf.registry.golden_file(shelf.version(2))


def test_the_record_of_the_evaluation_is_that_of_the_same_run(shelf: Shelf, tmp_path: Path) -> None:
    keep_golden(shelf, 2, tmp_path, requests=3, evaluation='{"candidate": 2}')
    assert shelf.registry.evaluation(shelf.version(2)) == {"candidate": 2}


def test_a_damaged_record_of_the_evaluation_is_told(shelf: Shelf, tmp_path: Path) -> None:
    keep_golden(shelf, 2, tmp_path, requests=3, evaluation="{")
    with pytest.raises(ModelFileError, match=r"evaluation\.json of oven v2 is damaged; restore it"):
        shelf.registry.evaluation(shelf.version(2))


def test_a_record_that_is_gone_is_told(shelf: Shelf, tmp_path: Path) -> None:
    keep_golden(shelf, 2, tmp_path, requests=3)
    _kept(tmp_path, "evaluation.json").unlink()
    with pytest.raises(RegistryError, match="evaluation.json"):
        shelf.registry.evaluation(shelf.version(2))


def test_a_version_that_was_not_evaluated_has_neither(shelf: Shelf) -> None:
    for read in (shelf.registry.golden_file, shelf.registry.evaluation):
        with pytest.raises(RegistryError, match="oven v2 has no golden requests to be proved with"):
            read(shelf.version(2))
