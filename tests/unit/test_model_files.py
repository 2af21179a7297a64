"""Which files a model refuses to load, and what it says of them."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import skops.io
from sklearn.ensemble import RandomForestRegressor
from sklearn.preprocessing import FunctionTransformer

from ml_assets.core.training.fitting import fit, save
from serving.runtime.errors import ModelFileError
from serving.runtime.files import sha256
from serving.runtime.model import Model
from tests.unit.model_cases import FOREST_REGRESSOR, HORIZON, diabetes, forecast_model


@pytest.fixture
def broken(oven: Path, tmp_path: Path) -> Path:
    """A copy of the model that a test may damage."""
    return Path(shutil.copytree(oven, tmp_path / "oven"))


def rewrite(directory: Path, name: str, content: bytes) -> None:
    """Replaces a file and records its new digest, as someone who forges a model would."""
    (directory / name).write_bytes(content)
    change_manifest(directory, lambda it: it["files"].update({name: sha256(content)}))


def change_manifest(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((directory / "model.json").read_text())
    change(manifest)
    (directory / "model.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("name", ["model.json", "model.ubj", "base.json"])
def test_a_missing_file_is_named(broken: Path, name: str) -> None:
    (broken / name).unlink()
    with pytest.raises(ModelFileError, match=f"{name} can't be read"):
        Model.load(broken)


@pytest.mark.parametrize("name", ["model.ubj", "base.json"])
@pytest.mark.parametrize("damage", ["truncated", "emptied", "flipped", "longer"])
def test_a_damaged_file_is_named(broken: Path, name: str, damage: str) -> None:
    content = (broken / name).read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    damaged = {
        "truncated": content[:-1], "emptied": b"", "flipped": flipped, "longer": content + b" "
    }  # fmt: skip
    (broken / name).write_bytes(damaged[damage])
    with pytest.raises(ModelFileError, match=f"{name} .* is not the file that model.json records"):
        Model.load(broken)


@pytest.mark.parametrize("name", ["model.ubj", "base.json"])
def test_a_file_of_another_model_is_refused(broken: Path, tmp_path: Path, name: str) -> None:
    forecast_model(tmp_path / "other", seed=2)
    shutil.copy(tmp_path / "other" / name, broken / name)
    with pytest.raises(ModelFileError, match=f"{name} .* belongs to another model"):
        Model.load(broken)


def test_a_file_that_is_not_recorded_is_named(broken: Path) -> None:
    (broken / "model.pkl").write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"model\.pkl is not recorded in model\.json"):
        Model.load(broken)


def test_a_manifest_cut_short_is_refused(broken: Path) -> None:
    (broken / "model.json").write_text((broken / "model.json").read_text()[:-100])
    with pytest.raises(ModelFileError, match=r"model\.json is not a model's manifest"):
        Model.load(broken)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
        ({"forecast": None}, "has the section forecast"),
        ({"feature_names": ["OT_lag_0"]}, "feature_names are not those"),
        ({"classes": ["hot", "cold"]}, "has two classes or more"),
        ({"estimator": "sklearn.linear_model.Ridge"}, r"files must name model\.skops"),
        ({"files": {"../oven/model.ubj": "0" * 64}}, r"files must name model\.ubj"),
        ({"files": {"model.ubj": "unknown"}}, r"files\.model\.ubj: String should match"),
        ({"timezone": "Mars/Base"}, "unknown time zone 'Mars/Base'"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(
    broken: Path, change: dict[str, Any], message: str
) -> None:
    change_manifest(broken, lambda it: it.update(change))
    with pytest.raises(ModelFileError, match=message):
        Model.load(broken)


@pytest.mark.parametrize("content", [b"", b"garbage", b"{}", b'{"learner": {}}'])
def test_a_recorded_file_that_is_no_model_is_refused(broken: Path, content: bytes) -> None:
    rewrite(broken, "model.ubj", content)
    with pytest.raises(ModelFileError, match=r"model\.ubj is (empty|not a model of xgboost)"):
        Model.load(broken)


def test_trees_of_another_number_of_features_are_refused(broken: Path) -> None:
    spec, data = diabetes()
    rewrite(broken, "model.ubj", fit(data, spec).contents["model.ubj"])
    change_manifest(broken, lambda it: it["features"].update(calendar=[]))
    change_manifest(broken, lambda it: it.update(feature_names=it["feature_names"][:-2]))
    with pytest.raises(ModelFileError, match=r"takes 10 features, model\.json names 8"):
        Model.load(broken)


def test_trees_of_another_horizon_are_refused(broken: Path) -> None:
    change_manifest(broken, lambda it: it["forecast"].update(horizon=HORIZON + 1))
    with pytest.raises(ModelFileError, match=r"do not fit its model\.json"):
        Model.load(broken)


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ({"intercept": [0, 0, 0], "coefficients": {"OT_lag_99": [1, 1, 1]}}, "'OT_lag_99'"),
        ({"intercept": [0, 0, 0], "coefficients": {"OT_lag_1": [1]}}, "one coefficient for each"),
        ({"intercept": [0, 0, 1e999], "coefficients": {}}, "finite"),
        ({"intercept": [0], "coefficients": {}}, "has 1 outputs, not 3"),
        ([], "should be an object; fetch"),
    ],
)
def test_a_recorded_base_that_does_not_fit_is_refused(
    broken: Path, base: Any, message: str
) -> None:
    rewrite(broken, "base.json", json.dumps(base).encode())
    with pytest.raises(ModelFileError, match=message):
        Model.load(broken)


def forest_bundle(directory: Path) -> None:
    spec, data = diabetes(**FOREST_REGRESSOR)
    save(fit(data, spec), directory, data_version="v1", input_ranges={})


def test_a_type_that_is_not_trusted_is_never_built(tmp_path: Path) -> None:
    forest_bundle(tmp_path)
    rewrite(tmp_path, "model.skops", skops.io.dumps(FunctionTransformer(subprocess.getoutput)))
    with pytest.raises(ModelFileError, match=r"subprocess\.getoutput"):
        Model.load(tmp_path)


def test_a_recorded_file_that_is_no_skops_file_is_refused(tmp_path: Path) -> None:
    forest_bundle(tmp_path)
    rewrite(tmp_path, "model.skops", b"not a zip")
    with pytest.raises(ModelFileError, match=r"model\.skops can't be loaded"):
        Model.load(tmp_path)


def test_a_damaged_skops_file_is_not_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forest_bundle(tmp_path)
    content = skops.io.dumps(RandomForestRegressor())
    (tmp_path / "model.skops").write_bytes(content)
    monkeypatch.setattr(skops.io, "loads", lambda *_, **__: pytest.fail("parsed"))
    with pytest.raises(ModelFileError, match="its sha256 is"):
        Model.load(tmp_path)
