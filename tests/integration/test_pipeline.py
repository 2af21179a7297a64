"""The main job, from a table to a promoted model that answers, on real components."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow.models
import numpy as np
import pytest
from feast import FeatureStore
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import Run

from ml_assets.core.promotion import Promotion
from ml_assets.core.provenance import git_commit, lock_sha256
from ml_assets.resources.feast import _repo_config
from serving.runtime.files import sha256
from serving.runtime.model import Model
from serving.runtime.predict import EntityForecast, predict_columns
from tests.integration.workplace import (
    SIMULATED,
    TRANSFORMER,
    Ended,
    Workplace,
    failure_of,
    read_spec,
)

METRICS = {
    "test_mse_scaled",
    "test_mae_scaled",
    "test_rmse",
    "test_mae",
    "skill_vs_persistence",
    "skill_vs_seasonal_naive",
}
LOAD_AND_PREDICT = """
    import sys, json, mlflow.pyfunc, pandas
    model = mlflow.pyfunc.load_model(sys.argv[1])
    example = json.load(open(sys.argv[2]))["data"]
    answer = model.predict(pandas.DataFrame(example))
    import serving
    print(json.dumps([serving.__file__, answer.tolist()]))
"""


@dataclass(frozen=True)
class Trained(Workplace):
    """A workplace whose first command was the main job.

    Attributes:
        first: How that command ended.
        first_promotion: The record of the promotion that it made.
    """

    first: Ended
    first_promotion: Promotion


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The transformers' model after the main job."""
    place = Workplace.create(tmp_path_factory.mktemp("trained"))
    ended = place.run(TRANSFORMER, "--source", SIMULATED)
    assert ended.status == 0, ended.printed
    record = place.file(TRANSFORMER, "promotion.json").read_text()
    return Trained(place.home, ended, Promotion.model_validate_json(record))


@pytest.fixture(scope="module")
def before(trained: Trained) -> int:
    """The version that was in production before the job ran again."""
    before = trained.version(TRANSFORMER).version
    assert trained.execute(TRANSFORMER, source=SIMULATED).success
    return before


@pytest.fixture(scope="module")
def run(trained: Trained) -> Run:
    """The MLflow run of the version that the main job promoted."""
    return _client(trained).get_run(_client(trained).get_model_version(TRANSFORMER, "1").run_id)


@pytest.fixture(scope="module")
def artifact(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What MLflow keeps of that version."""
    uri = trained.registry.tracking_uri
    found = download_artifacts(
        f"models:/{TRANSFORMER}/1",
        dst_path=str(tmp_path_factory.mktemp("artifact")),
        tracking_uri=uri,
        registry_uri=uri,
    )
    return Path(found)


def _client(place: Workplace) -> MlflowClient:
    uri = place.registry.tracking_uri
    return MlflowClient(uri, registry_uri=uri)


def _images(place: Workplace, run: Run, folder: str) -> set[str]:
    return {Path(one.path).name for one in _client(place).list_artifacts(run.info.run_id, folder)}


class TestMainJob:
    """What `make run` prints and leaves behind."""

    @pytest.mark.parametrize("name", sorted(METRICS))
    def test_summary_names_each_metric_with_its_value(self, trained: Trained, name: str) -> None:
        value = trained.first_promotion.metrics[name]
        assert f"│ {name:23} │ {value:9.4f} " in trained.first.printed

    def test_summary_says_what_was_promoted_and_why(self, trained: Trained) -> None:
        printed = trained.first.printed
        assert f"Promoted {TRANSFORMER} v1, because\n- The model is better than" in printed
        assert trained.first_promotion.reason in printed

    def test_summary_shows_one_answer_and_what_to_type_next(self, trained: Trained) -> None:
        printed = trained.first.printed
        assert f"One answer of {TRANSFORMER}:v1" in printed
        assert "(24 values until 2016-09-29T23:00:00Z)" in printed
        assert "What to type next" in printed
        assert "make ui" in printed

    def test_progress_shows_every_step(self, trained: Trained) -> None:
        steps = ["dataset", "features", "training_set", "model", "evaluation", "promotion"]
        lines = [line.split()[:2] for line in trained.first.printed.splitlines()]
        assert [line for line in lines if line[1:] == ["done"]] == [[one, "done"] for one in steps]

    def test_first_version_is_promoted_from_nothing(self, trained: Trained) -> None:
        record = trained.first_promotion
        assert (record.from_version, record.to_version) == (None, 1)
        assert set(record.metrics) == METRICS

    def test_feast_has_a_service_for_the_version_with_all_its_features(
        self, trained: Trained
    ) -> None:
        store = FeatureStore(config=_repo_config(trained.home / "feast"))
        (view,) = store.get_feature_service(f"{TRANSFORMER}_v1").feature_view_projections
        names = [field.name for field in view.features]
        assert names == list(read_spec(TRANSFORMER).feature_names)


class TestSecondRun:
    """The job again, with a model in production."""

    def test_new_version_is_in_production_and_the_old_one_is_previous(
        self, trained: Trained, before: int
    ) -> None:
        production = trained.version(TRANSFORMER).version
        assert production > before
        assert trained.version(TRANSFORMER, "previous").version == before

    def test_record_says_who_when_from_to_and_why(self, trained: Trained, before: int) -> None:
        live = trained.version(TRANSFORMER)
        record = Promotion.model_validate_json(live.tags["promotion"])
        assert (record.model, record.from_version, record.to_version) == (
            TRANSFORMER,
            before,
            live.version,
        )
        assert "@" in record.who
        assert record.when.utcoffset() is not None
        assert "the production model's is" in record.reason
        assert record.metrics == trained.first_promotion.metrics

    def test_record_in_the_registry_is_the_one_in_the_file(
        self, trained: Trained, before: int
    ) -> None:
        tag = trained.version(TRANSFORMER).tags["promotion"]
        assert json.loads(tag) == json.loads(
            trained.file(TRANSFORMER, "promotion.json").read_text()
        )

    def test_same_input_gives_the_same_model(self, trained: Trained, before: int) -> None:
        tags = [_client(trained).get_model_version(TRANSFORMER, "1").tags]
        tags.append(dict(trained.version(TRANSFORMER).tags))
        digests = [{name: tag[name] for name in tag if name.startswith("sha256.")} for tag in tags]
        assert digests[0] == digests[1]

    def test_promotion_alone_changes_nothing_when_its_candidate_is_live(
        self, trained: Trained, before: int
    ) -> None:
        kept = trained.kept(TRANSFORMER)
        assert trained.execute(TRANSFORMER, assets=["promotion"]).success
        assert trained.kept(TRANSFORMER) == kept


def test_promotion_is_refused_if_production_has_moved_since_the_evaluation(
    trained: Trained, before: int
) -> None:
    live = trained.version(TRANSFORMER)
    evaluated = trained.execute(TRANSFORMER, assets=["model", "evaluation"])
    assert evaluated.success
    candidate = trained.version(TRANSFORMER, "staging")
    trained.registry.set_alias(trained.version(TRANSFORMER, "previous"), "production")
    refused = trained.execute(TRANSFORMER, assets=["promotion"])
    trained.registry.set_alias(live, "production")
    assert failure_of(refused) == (
        f"{candidate.label.split()[1]} was evaluated beside v{live.version}, but now the candidate "
        f"is v{candidate.version} and production v{before}; evaluate again"
    )


def _data_version(place: Workplace, source: str) -> str:
    result = place.execute(TRANSFORMER, assets=["dataset"], source=source)
    (event,) = result.get_asset_materialization_events()
    tags: Mapping[str, str] = event.materialization.tags or {}
    return tags["dagster/data_version"]


def test_data_version_follows_the_content_of_the_input(trained: Trained) -> None:
    again, other = (
        _data_version(trained, uri) for uri in (SIMULATED, "simulated://transformers?days=90")
    )
    assert again == _client(trained).get_model_version(TRANSFORMER, "1").tags["data_version"]
    assert other != again


class TestMlflow:
    """What stands in the MLflow run, and in the model that it logged."""

    def test_metrics_have_the_published_names(self, trained: Trained, run: Run) -> None:
        assert set(run.data.metrics) == {*METRICS, "validation_error"}
        assert {name: run.data.metrics[name] for name in METRICS} == trained.first_promotion.metrics

    def test_parameters_are_those_of_the_yaml(self, run: Run) -> None:
        estimator = read_spec(TRANSFORMER).estimator
        settings = estimator.model_dump(exclude={"type", "parameters"})
        given = {"estimator": estimator.type, **settings, **estimator.parameters}
        assert run.data.params == {name: str(value) for name, value in given.items()}

    def test_plots_are_there(self, trained: Trained, run: Run) -> None:
        names = {"forecasts.png", "residuals.png", "error_by_step.png", "error_by_entity.png"}
        assert _images(trained, run, "evaluation") == names
        assert _images(trained, run, "plots") == {"importance.png"}

    def test_feature_spec_is_that_of_the_yaml(self, trained: Trained, run: Run) -> None:
        root = run.info.artifact_uri
        text = mlflow.artifacts.load_text(f"{root}/feature_spec.json")
        assert json.loads(text) == read_spec(TRANSFORMER).features.model_dump(mode="json")

    def test_run_and_version_are_tagged_with_where_the_model_comes_from(
        self, trained: Trained, run: Run, artifact: Path
    ) -> None:
        bundle = artifact / "data" / "bundle"
        expected = {
            "data_version": Model.load(bundle).manifest.data_version,
            "lock_sha256": lock_sha256(),
            "sha256.model.ubj": sha256((bundle / "model.ubj").read_bytes()),
            "sha256.model.json": sha256((bundle / "model.json").read_bytes()),
            "sha256.base.json": sha256((bundle / "base.json").read_bytes()),
        }
        tags = _client(trained).get_model_version(TRANSFORMER, "1").tags
        for found in (run.data.tags, tags):
            assert {name: found[name] for name in expected} == expected
            assert found["git_commit"].removesuffix("-dirty") == git_commit().removesuffix("-dirty")

    def test_nothing_in_the_artifact_is_pickled(self, artifact: Path) -> None:
        files = [path for path in artifact.rglob("*") if path.is_file()]
        allowed = {".json", ".py", ".txt", ".ubj", ".yaml"}
        named = {path.name for path in files if path.suffix not in allowed}
        assert named == {"MLmodel", "registered_model_meta"}
        assert not [path for path in files if path.read_bytes()[:1] == b"\x80"]

    def test_model_has_a_signature_and_an_input_example(self, artifact: Path) -> None:
        logged = mlflow.models.Model.load(str(artifact / "MLmodel"))
        spec = read_spec(TRANSFORMER)
        example = logged.load_input_example(str(artifact))
        assert set(logged.get_input_schema().input_names()) == {
            "date",
            "transformer",
            *spec.columns.numeric,
        }
        assert spec.forecast is not None
        assert len(example) > spec.forecast.lookback

    def test_pyfunc_predicts_what_the_service_does_with_nothing_but_the_artifact(
        self, trained: Trained, artifact: Path, tmp_path: Path
    ) -> None:
        example = trained.file(TRANSFORMER, "example.json")
        code = [sys.executable, "-c", textwrap.dedent(LOAD_AND_PREDICT), artifact, example]
        done = subprocess.run(code, cwd=tmp_path, capture_output=True, text=True, check=True)
        imported, predicted = json.loads(done.stdout.splitlines()[-1])
        assert imported.startswith(str(artifact))
        model = Model.load(artifact / "data" / "bundle")
        (answer,) = predict_columns(model, json.loads(example.read_text())["data"]).predictions
        assert isinstance(answer, EntityForecast)
        np.testing.assert_array_equal(predicted, [answer.values])
