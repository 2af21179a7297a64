"""What one run, or an earlier search, changes about what the YAML file says."""

from collections.abc import Mapping
from typing import Any

import pytest

from ml_assets.components.overrides import SourceOverride, TuningOverride
from ml_assets.components.tuning_assets import FILE, tuned_parameters
from ml_assets.core.records import BestParameters
from ml_assets.core.spec import PipelineSpec, SourceSpec
from ml_assets.resources.storage import Storage
from serving.runtime.errors import SpecError
from tests.unit.evaluation_cases import forecast_spec

DIGEST, OTHER = "a" * 64, "b" * 64
YAML = SourceSpec(uri="yaml.csv", sha256=DIGEST, timezone="Europe/Berlin", max_age_hours=5)
ESTIMATOR = {"rounds": 30, "parameters": {"max_depth": 3}}
SPACE = {"max_depth": {"low": 2, "high": 5, "integer": True}}


class TestSource:
    """Another source for one run."""

    @pytest.mark.parametrize(
        ("given", "changed"),
        [
            ({}, {}),
            ({"source": "own.csv"}, {"uri": "own.csv", "sha256": ""}),
            ({"source": "own.csv", "sha256": OTHER}, {"uri": "own.csv", "sha256": OTHER}),
            ({"sha256": OTHER}, {"sha256": OTHER}),
            ({"timezone": "UTC"}, {"timezone": "UTC"}),
        ],
        ids=["nothing", "source", "source and sha256", "sha256", "time zone"],
    )
    def test_only_what_is_given_changes_and_a_digest_belongs_to_its_file(
        self, given: dict[str, str], changed: dict[str, str]
    ) -> None:
        assert SourceOverride(**given).apply(YAML) == YAML.model_copy(update=changed)

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({"timezone": "Mars/Olympus"}, "timezone of this run: unknown time zone 'Mars/Oly"),
            ({"sha256": "abc"}, "sha256 of this run: String should match pattern"),
        ],
    )
    def test_value_that_the_yaml_could_not_hold_is_refused_by_its_name(
        self, given: dict[str, str], says: str
    ) -> None:
        with pytest.raises(SpecError, match=says):
            SourceOverride(**given).apply(YAML)


class TestTuning:
    """Another search for one run."""

    def test_trials_are_those_of_the_yaml_unless_given(self) -> None:
        spec = forecast_spec(tuning={"trials": 9, "space": SPACE})
        assert TuningOverride().apply(spec) == spec
        assert TuningOverride(trials=2).apply(spec).tuning.trials == 2

    def test_parameters_replace_those_of_the_same_name(self) -> None:
        given = TuningOverride(parameters={"eta": 0.5})
        found = given.apply(forecast_spec(estimator=ESTIMATOR))
        assert found.estimator.parameters == {"max_depth": 3, "eta": 0.5}


def _spec(**changes: Any) -> PipelineSpec:
    return forecast_spec(**{"estimator": ESTIMATOR, "tuning": {"space": SPACE}} | changes)


class TestTunedParameters:
    """What the model takes of the last search."""

    @pytest.fixture
    def storage(self, tmp_path_factory: pytest.TempPathFactory) -> Storage:
        """A state directory with the result of a search."""
        spec, storage = _spec(), Storage(home=str(tmp_path_factory.mktemp("home")))
        found = BestParameters(
            parameters={"max_depth": 4},
            made_for=spec.search_settings,
            data_version=DIGEST,
            validation_error=1.0,
            yaml_validation_error=1.5,
        )
        storage.write_record(found, storage.file(spec.name, FILE))
        return storage

    def test_they_are_used_while_the_yaml_is_the_same(self, storage: Storage) -> None:
        assert tuned_parameters(_spec(), storage) == {"max_depth": 4}

    @pytest.mark.parametrize(
        "changes",
        [
            {"estimator": ESTIMATOR | {"rounds": 31}},
            {"estimator": ESTIMATOR | {"parameters": {"max_depth": 2}}},
            {"tuning": {"space": {"max_depth": {"low": 2, "high": 9, "integer": True}}}},
            {"forecast": {"horizon": 5, "lookback": 24}},
        ],
        ids=["rounds", "parameter", "space", "horizon"],
    )
    def test_they_are_void_once_what_they_were_searched_for_changes(
        self, storage: Storage, changes: Mapping[str, object]
    ) -> None:
        assert tuned_parameters(_spec(**changes), storage) == {}

    @pytest.mark.parametrize(
        "changes",
        [{"tuning": {"trials": 3, "space": SPACE}}, {"description": "Other words."}],
        ids=["trials", "description"],
    )
    def test_they_outlast_changes_that_they_do_not_depend_on(
        self, storage: Storage, changes: Mapping[str, object]
    ) -> None:
        assert tuned_parameters(_spec(**changes), storage) == {"max_depth": 4}

    def test_there_are_none_before_a_search(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        storage = Storage(home=str(tmp_path_factory.mktemp("empty")))
        assert tuned_parameters(_spec(), storage) == {}
