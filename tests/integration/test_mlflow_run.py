"""What stands in the MLflow run of a promoted version, and in the model that it logged."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import mlflow
import mlflow.models
import numpy as np
import pytest
from mlflow.artifacts import download_artifacts, load_dict
from mlflow.entities import Run

from ml_assets.core.promotion import Promotion
from ml_assets.core.provenance import lock_sha256
from serving.runtime.files import sha256
from serving.runtime.model import Model
from serving.runtime.predict import EntityForecast, predict_columns
from tests.integration.workplace import (
    COMMIT,
    METRICS,
    SIMULATED,
    TRANSFORMER,
    Workplace,
    read_spec,
)

LOAD_AND_PREDICT = """
    import sys, json, mlflow.pyfunc, pandas
    model = mlflow.pyfunc.load_model(sys.argv[1])
    example = json.load(open(sys.argv[2]))["data"]
    answer = model.predict(pandas.DataFrame(example))
    import serving
    print(json.dumps([serving.__file__, answer.tolist()]))
"""


@pytest.fixture(scope="module")
def run(promoted: Workplace) -> Run:
    """The MLflow run of the first version."""
    run_id = promoted.mlflow.get_model_version(TRANSFORMER, "1").run_id
    assert run_id is not None
    return promoted.mlflow.get_run(run_id)


@pytest.fixture(scope="module")
def artifact(promoted: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What MLflow keeps of that version."""
    # An argument of that name does not reach the registry.
    mlflow.set_tracking_uri(promoted.registry.tracking_uri)
    place = tmp_path_factory.mktemp("artifact")
    return Path(download_artifacts(f"models:/{TRANSFORMER}/1", dst_path=str(place)))


def _images(place: Workplace, run: Run, folder: str) -> set[str]:
    return {Path(one.path).name for one in place.mlflow.list_artifacts(run.info.run_id, folder)}


def test_metrics_have_the_published_names(promoted: Workplace, run: Run) -> None:
    assert set(run.data.metrics) == {*METRICS, "validation_error"}
    record = promoted.mlflow.get_model_version(TRANSFORMER, "1").tags["promotion"]
    measured = Promotion.model_validate_json(record).metrics
    assert {name: run.data.metrics[name] for name in METRICS} == measured


def test_parameters_are_those_of_the_yaml(run: Run) -> None:
    estimator = read_spec(TRANSFORMER).estimator
    settings = estimator.model_dump(exclude={"type", "parameters"})
    given = {"estimator": estimator.type, **settings, **estimator.parameters}
    assert run.data.params == {name: str(value) for name, value in given.items()}


def test_plots_are_there(promoted: Workplace, run: Run) -> None:
    names = {"forecasts.png", "residuals.png", "error_by_step.png", "error_by_entity.png"}
    assert _images(promoted, run, "evaluation") == names
    assert _images(promoted, run, "plots") == {"importance.png"}


def test_feature_spec_is_that_of_the_yaml(run: Run) -> None:
    logged = load_dict(f"{run.info.artifact_uri}/feature_spec.json")
    assert logged == read_spec(TRANSFORMER).features.model_dump(mode="json")


def test_run_and_version_are_tagged_with_where_the_model_comes_from(
    promoted: Workplace, run: Run, artifact: Path
) -> None:
    bundle = artifact / "data" / "bundle"
    expected = {
        "data_version": Model.load(bundle).manifest.data_version,
        "data_source": SIMULATED,
        "git_commit": COMMIT,
        "lock_sha256": lock_sha256(),
        "sha256.model.ubj": sha256((bundle / "model.ubj").read_bytes()),
        "sha256.model.json": sha256((bundle / "model.json").read_bytes()),
        "sha256.base.json": sha256((bundle / "base.json").read_bytes()),
    }
    tags = promoted.mlflow.get_model_version(TRANSFORMER, "1").tags
    for found in (run.data.tags, tags):
        assert {name: found[name] for name in expected} == expected


def test_nothing_in_the_artifact_is_pickled(artifact: Path) -> None:
    files = [path for path in artifact.rglob("*") if path.is_file()]
    allowed = {".json", ".py", ".txt", ".ubj", ".yaml"}
    named = {path.name for path in files if path.suffix not in allowed}
    assert named == {"MLmodel", "registered_model_meta"}
    assert not [path for path in files if path.read_bytes()[:1] == b"\x80"]


def test_model_has_a_signature_and_an_input_example(artifact: Path) -> None:
    logged = mlflow.models.Model.load(str(artifact / "MLmodel"))
    columns = {"date", "transformer", *read_spec(TRANSFORMER).columns.numeric}
    assert logged.signature is not None
    assert set(logged.signature.inputs.input_names()) == columns
    example: Any = logged.load_input_example(str(artifact))
    assert set(example.columns) == columns
    assert not example.empty


def test_pyfunc_predicts_what_the_service_does_with_nothing_but_the_artifact(
    promoted: Workplace, artifact: Path, tmp_path: Path
) -> None:
    example = promoted.file(TRANSFORMER, "example.json")
    code = ["-c", textwrap.dedent(LOAD_AND_PREDICT), str(artifact), str(example)]
    done = subprocess.run(
        [sys.executable, *code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    imported, predicted = json.loads(done.stdout.splitlines()[-1])
    assert imported.startswith(str(artifact))
    model = Model.load(artifact / "data" / "bundle")
    (answer,) = predict_columns(model, json.loads(example.read_text())["data"]).predictions
    assert isinstance(answer, EntityForecast)
    np.testing.assert_array_equal(predicted, [answer.values])
