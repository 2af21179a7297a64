"""A model is loaded by the major versions of libraries that it was fitted with, or not at all."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import xgboost

from ml_assets.core.training.fitting import fit, save
from serving.runtime.errors import ModelFileError
from serving.runtime.files import sha256
from serving.runtime.libraries import library_version
from serving.runtime.model import Model
from tests.unit.model_cases import FOREST_REGRESSOR, diabetes

MAJOR, _, MINOR = xgboost.__version__.partition(".")
OTHER = f"{int(MAJOR) - 1}.1.4"


@pytest.fixture
def fitted_with(oven: Path, tmp_path: Path) -> "FittedWith":
    return FittedWith(Path(shutil.copytree(oven, tmp_path / "oven")))


class FittedWith:
    """A copy of a model whose manifest a test may change."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def load(self, libraries: object, *, content: bytes | None = None) -> Model:
        """Loads it as if it had been fitted with these libraries, and had this `model.ubj`."""
        path = self.directory / "model.json"
        manifest = json.loads(path.read_text()) | {"libraries": libraries}
        if content is not None:
            (self.directory / "model.ubj").write_bytes(content)
            manifest["files"]["model.ubj"] = sha256(content)
        path.write_text(json.dumps(manifest))
        return Model.load(self.directory)


def test_trees_name_xgboost(oven: Path) -> None:
    assert Model.load(oven).manifest.libraries == {"xgboost": xgboost.__version__}


def test_other_estimators_name_what_fitted_and_wrote_them(tmp_path: Path) -> None:
    spec, data = diabetes(**FOREST_REGRESSOR)
    save(fit(data, spec), tmp_path, data_version="v1", input_ranges={})
    names = ("scikit-learn", "skops")
    assert Model.load(tmp_path).manifest.libraries == {
        name: library_version(name) for name in names
    }


def test_another_major_version_is_refused_with_both_and_what_to_do(
    fitted_with: FittedWith,
) -> None:
    wanted = rf"oven was fitted with xgboost {OTHER}, but xgboost {xgboost.__version__} is "
    with pytest.raises(ModelFileError, match=wanted + rf".*; install xgboost {int(MAJOR) - 1}, or"):
        fitted_with.load({"xgboost": OTHER})


def test_it_is_refused_before_the_file_is_parsed(fitted_with: FittedWith) -> None:
    with pytest.raises(ModelFileError, match="was fitted with xgboost"):
        fitted_with.load({"xgboost": OTHER}, content=b"{}")


@pytest.mark.parametrize("version", [xgboost.__version__, f"{MAJOR}.99.0", f"{MAJOR}.0.0rc1"])
def test_the_same_major_version_is_loaded(fitted_with: FittedWith, version: str) -> None:
    assert fitted_with.load({"xgboost": version})


def test_a_major_version_is_a_number_and_not_its_first_digit(fitted_with: FittedWith) -> None:
    with pytest.raises(ModelFileError, match="was fitted with xgboost"):
        fitted_with.load({"xgboost": f"{MAJOR}0.2.0"})


def test_a_model_that_names_none_is_loaded(fitted_with: FittedWith) -> None:
    assert fitted_with.load({})


def test_a_library_that_no_model_needs_is_never_imported(fitted_with: FittedWith) -> None:
    sys.modules.pop("antigravity", None)
    with pytest.raises(ModelFileError, match="a model can't need 'antigravity', only"):
        fitted_with.load({"antigravity": "1.0"})
    assert "antigravity" not in sys.modules


def test_a_library_that_is_not_installed_is_named(
    fitted_with: FittedWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "skops", None)
    with pytest.raises(ModelFileError, match="needs skops, which is not installed"):
        fitted_with.load({"skops": "0.16.0"})


def test_a_version_that_is_none_is_refused(fitted_with: FittedWith) -> None:
    with pytest.raises(ModelFileError, match=r"libraries\.xgboost: String should match"):
        fitted_with.load({"xgboost": "newest"})
