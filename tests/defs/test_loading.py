"""Definitions load fast and light, and a mistake in a YAML file is found with its place."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ml_assets.components.model_pipeline import ModelPipeline
from ml_assets.core.spec import PipelineSpec
from tests.conftest import ROOT

HEAVY = ("bentoml", "feast", "matplotlib", "mlflow", "optuna", "sklearn", "xgboost")
PROJECT = """
[tool.dg]
directory_type = "project"
[tool.dg.project]
root_module = "project"
registry_modules = ["ml_assets.components"]
"""


@pytest.mark.parametrize(
    ("location", "heavy"),
    [
        ("ml_assets.definitions", HEAVY),
        ("serving.release.definitions", (*HEAVY, "pandas", "pyarrow")),
    ],
)
def test_no_heavy_library_is_imported_while_definitions_load(
    home: Path, location: str, heavy: tuple[str, ...]
) -> None:
    code = (
        f"import sys; from {location} import defs; defs();"
        f"print(sorted(set({heavy}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def _check_yaml(directory: Path, attributes: object) -> str:
    """What `dg check yaml` says of a project whose only model has these attributes."""
    folder = directory / "project" / "defs" / "model"
    folder.mkdir(parents=True)
    (directory / "pyproject.toml").write_text(PROJECT)
    for package in (folder.parent, folder.parent.parent):
        (package / "__init__.py").touch()
    (folder / "defs.yaml").write_text(
        yaml.safe_dump(
            {"type": "ml_assets.components.ModelPipeline", "attributes": attributes},
            sort_keys=False,
        )
    )
    done = subprocess.run(
        [Path(sys.executable).with_name("dg"), "check", "yaml"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def _attributes() -> dict[str, object]:
    text = (ROOT / "ml_assets" / "defs" / "iris" / "defs.yaml").read_text()
    attributes: dict[str, object] = yaml.safe_load(text)["attributes"]
    return attributes


def _line_of(what: str, text: str) -> int:
    """Number of the first line that holds something, from 1."""
    return next(number for number, line in enumerate(text.splitlines(), 1) if what in line)


def test_a_wrong_value_is_reported_with_file_line_and_allowed_values(tmp_path: Path) -> None:
    said = _check_yaml(tmp_path, _attributes() | {"task": "classify"})
    written = (tmp_path / "project" / "defs" / "model" / "defs.yaml").read_text()
    assert f"project/defs/model/defs.yaml:{_line_of('task: ', written)}" in said
    assert "'classify' is not one of ['forecast', 'regression', 'classification']" in said


def test_an_unknown_field_is_reported_with_file_and_line(tmp_path: Path) -> None:
    said = _check_yaml(tmp_path, _attributes() | {"colums": {}})
    assert "project/defs/model/defs.yaml" in said
    assert "colums" in said


def test_the_shipped_files_pass(home: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("dg"), "check", "yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_a_run_names_the_mistake_in_a_yaml_file_in_a_few_lines(tmp_path: Path) -> None:
    for name in ("ml_assets", "serving", "commands", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    wrong = tmp_path / "ml_assets" / "defs" / "iris" / "defs.yaml"
    wrong.write_text(wrong.read_text().replace("task: classification", "task: classify"))
    done = subprocess.run(
        [sys.executable, "-m", "commands", "run", "iris"],
        cwd=tmp_path,
        env={**os.environ, "ML_ASSETS_HOME": str(tmp_path / "var"), "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    place = f"iris/defs.yaml:{_line_of('task: ', wrong.read_text())}"
    assert place in done.stderr.replace("\n", "")
    assert "'forecast', 'regression' or 'classification'" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_every_field_of_the_schema_is_described() -> None:
    schema = PipelineSpec.model_json_schema()
    undescribed = [
        f"{name}.{field}"
        for name, one in {"PipelineSpec": schema, **schema["$defs"]}.items()
        for field, about in one.get("properties", {}).items()
        if "description" not in about and "$ref" not in about
    ]
    assert undescribed == []
    assert ModelPipeline.get_model_cls() is PipelineSpec


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"forecast": {"horizon": 24, "lookback": 100}}, "lookback must be at least 336"),
        ({"forecast": None}, "needs the section forecast"),
        ({"features": {"columns": {"XX": {"lags": [0]}}}}, "features.columns names 'XX'"),
        ({"features": {"columns": {"OT": {"lags": [1]}}}}, "OT.lags must hold 0"),
        ({"gates": {"metric": "test_log_loss"}}, "'test_log_loss' is not measured for task 'fo"),
        ({"features": {"timezone": "Mars/Base"}}, "unknown time zone 'Mars/Base'"),
        ({"features": {"columns": {"OT": {"lags": [0, 0]}}}}, "'OT_lag_0' is asked for twice"),
    ],
)
def test_settings_that_contradict_each_other_are_named(
    change: dict[str, object], message: str
) -> None:
    text = (ROOT / "ml_assets" / "defs" / "transformer_temperature" / "defs.yaml").read_text()
    with pytest.raises(ValueError, match=message):
        PipelineSpec.model_validate(yaml.safe_load(text)["attributes"] | change)
