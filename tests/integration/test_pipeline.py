"""The main job, from a table to a promoted model that answers, on real components."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from feast import FeatureStore

from ml_assets.core.promotion import Promotion
from ml_assets.resources.feast import _repo_config
from tests.integration.workplace import (
    METRICS,
    SIMULATED,
    TRANSFORMER,
    Ended,
    Workplace,
    failure_of,
    read_spec,
)


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
        steps += ["bento", "answer"]
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


@pytest.mark.usefixtures("before")
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

    def test_record_in_the_registry_is_the_one_in_the_file(self, trained: Trained) -> None:
        tag = trained.version(TRANSFORMER).tags["promotion"]
        assert json.loads(tag) == json.loads(
            trained.file(TRANSFORMER, "promotion.json").read_text()
        )

    def test_same_input_gives_the_same_model(self, trained: Trained) -> None:
        tags = [trained.mlflow.get_model_version(TRANSFORMER, "1").tags]
        tags.append(dict(trained.version(TRANSFORMER).tags))
        digests = [{name: tag[name] for name in tag if name.startswith("sha256.")} for tag in tags]
        assert digests[0] == digests[1]

    def test_promotion_alone_changes_nothing_when_its_candidate_is_live(
        self, trained: Trained
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


def test_promotion_is_refused_if_somebody_moved_production_to_the_candidate_by_hand(
    trained: Trained, before: int
) -> None:
    live = trained.version(TRANSFORMER)
    assert trained.execute(TRANSFORMER, assets=["model", "evaluation"]).success
    candidate = trained.version(TRANSFORMER, "staging")
    trained.registry.set_alias(candidate, "production")
    refused = trained.execute(TRANSFORMER, assets=["promotion"])
    trained.registry.set_alias(live, "production")
    assert failure_of(refused).startswith(
        f"{candidate.label} is in production already, but no promotion put it there"
    )


def test_production_stays_if_the_candidate_lost_its_example(trained: Trained, before: int) -> None:
    live = trained.version(TRANSFORMER)
    assert trained.execute(TRANSFORMER, assets=["model", "evaluation"]).success
    examples = (trained.home / "mlartifacts").rglob("input_example.json")
    newest = max(examples, key=lambda path: path.stat().st_mtime_ns)
    kept = newest.read_bytes()
    newest.unlink()
    refused = trained.execute(TRANSFORMER, assets=["promotion"])
    assert "input_example.json" in failure_of(refused)
    assert trained.version(TRANSFORMER) == live
    newest.write_bytes(kept)
    assert trained.execute(TRANSFORMER, assets=["promotion"]).success
    assert trained.version(TRANSFORMER).version > live.version


def test_example_request_is_of_the_data_of_the_promoted_version(trained: Trained) -> None:
    example = trained.file(TRANSFORMER, "example.json")
    before = example.read_text()
    assert trained.execute(TRANSFORMER, source=f"{SIMULATED}&seed=8").success
    after = example.read_text()
    assert after != before
    assert json.loads(after) == trained.registry.example(trained.version(TRANSFORMER)).model_dump()


def _data_version(place: Workplace, source: str) -> str:
    result = place.execute(TRANSFORMER, assets=["dataset"], source=source)
    (event,) = result.get_asset_materialization_events()
    tags: Mapping[str, str] = event.materialization.tags or {}
    return tags["dagster/data_version"]


def test_data_version_follows_the_content_of_the_input(trained: Trained) -> None:
    again, other = (
        _data_version(trained, uri) for uri in (SIMULATED, "simulated://transformers?days=90")
    )
    assert again == trained.mlflow.get_model_version(TRANSFORMER, "1").tags["data_version"]
    assert other != again
