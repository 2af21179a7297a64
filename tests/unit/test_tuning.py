import math
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from ml_assets.core.errors import StateError, TrainingError
from ml_assets.core.features.training_set import TrainingSet
from ml_assets.core.spec import PipelineSpec
from ml_assets.core.training.fitting import fit
from ml_assets.core.training.study import TrialRecord, TuningResult, study_name
from ml_assets.core.training.tuning import tune
from tests.unit.evaluation_cases import iris, table_set, table_spec

COLUMNS = list(iris().columns[:-1])
SPACE = {
    "learning_rate": {"low": 0.001, "high": 0.5, "log": True},
    "max_depth": {"low": 1, "high": 5, "integer": True},
}


def model(
    space: dict[str, Any] | None = None, *, trials: int = 7, parallel: int = 1, **estimator: Any
) -> PipelineSpec:
    settings = {"rounds": 40, "parameters": {"learning_rate": 0.05, "max_depth": 2, "nthread": 1}}
    tuning = {"trials": trials, "parallel": parallel, "space": SPACE if space is None else space}
    return table_spec("classification", COLUMNS, estimator=settings | estimator, tuning=tuning)


def search(
    spec: PipelineSpec, folder: Path, *, version: str = "v1", **settings: Any
) -> TuningResult:
    return tune(
        data(spec), spec, storage_path=folder / "tuning.db", data_version=version, **settings
    )


def data(spec: PipelineSpec) -> TrainingSet:
    return table_set(iris(), spec)


def tried(result: TuningResult) -> list[tuple[str, float | None, dict[str, Any]]]:
    return [(one.state, one.value, one.parameters) for one in result.trials]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("search")


@pytest.fixture(scope="module")
def found(folder: Path) -> TuningResult:
    return search(model(trials=14), folder)


def test_the_first_trial_has_the_parameters_of_the_yaml(found: TuningResult) -> None:
    assert found.trials[0].parameters == {"learning_rate": 0.05, "max_depth": 2}
    assert found.default_value == found.trials[0].value
    assert found.default_value == fit(data(model()), model()).validation_error


def test_the_best_is_the_lowest_error_and_never_above_the_yaml_s(found: TuningResult) -> None:
    values = {one.value: one.parameters for one in found.trials if one.value is not None}
    assert found.best_value == min(values)
    assert found.best_parameters == values[found.best_value]
    assert found.best_value <= found.default_value


def test_the_best_parameters_give_the_best_value_again(found: TuningResult) -> None:
    fitted = fit(data(model()), model(), parameters=found.best_parameters)
    assert fitted.validation_error == found.best_value


def test_no_two_trials_are_the_same(found: TuningResult) -> None:
    rates = [one.parameters["learning_rate"] for one in found.trials]
    assert len(set(rates)) == len(rates)


def test_hopeless_trials_are_pruned_before_their_last_round(
    found: TuningResult, folder: Path
) -> None:
    storage = f"sqlite:///{folder / 'tuning.db'}"
    study = optuna.load_study(study_name=found.study, storage=storage)
    last = {trial.number: trial.last_step for trial in study.trials}
    pruned = [one for one in found.trials if one.state == "pruned"]
    assert pruned
    assert all(one.value is None for one in pruned)
    assert all((last[one.number] or 0) < 30 for one in pruned)


def test_importances_are_shares_of_the_searched_parameters(found: TuningResult) -> None:
    assert set(found.importances) == set(SPACE)
    assert sum(found.importances.values()) == pytest.approx(1)


def test_a_result_survives_json(found: TuningResult) -> None:
    assert TuningResult.model_validate_json(found.model_dump_json()) == found


def test_where_the_yaml_is_best_it_stays(tmp_path: Path) -> None:
    space = {"learning_rate": {"low": 1e-6, "high": 1e-5}}
    found = search(model(space, trials=4), tmp_path)
    assert found.best_parameters == {"learning_rate": 0.05}
    assert found.best_value == found.default_value


def test_every_trial_is_inside_the_space(tmp_path: Path) -> None:
    space = {**SPACE, "booster": {"choices": ["gbtree", "dart"]}}
    for one in search(model(space), tmp_path).trials[1:]:
        assert 0.001 <= one.parameters["learning_rate"] <= 0.5  # type: ignore[operator]
        assert one.parameters["max_depth"] in range(1, 6)
        assert one.parameters["booster"] in {"gbtree", "dart"}


def test_the_same_seed_makes_the_same_trials(tmp_path: Path) -> None:
    first, second = (search(model(), tmp_path / name) for name in ("a", "b"))
    assert tried(first) == tried(second)


def test_another_seed_makes_other_trials(tmp_path: Path) -> None:
    first, second = (search(model(seed=seed), tmp_path) for seed in (1, 2))
    pairs = zip(first.trials[1:], second.trials[1:], strict=True)
    assert all(one.parameters != other.parameters for one, other in pairs)


def test_a_search_goes_on_where_it_stopped(tmp_path: Path) -> None:
    seen: list[TrialRecord] = []
    search(model(), tmp_path / "a", trials=3)
    resumed = search(model(), tmp_path / "a", on_trial=seen.append)
    assert (resumed.resumed, len(seen), len(resumed.trials)) == (3, 4, 7)
    assert tried(resumed) == tried(search(model(), tmp_path / "b"))


def test_a_finished_search_makes_no_more_trials(tmp_path: Path) -> None:
    seen: list[TrialRecord] = []
    first = search(model(), tmp_path)
    again = search(model(), tmp_path, on_trial=seen.append)
    assert seen == []
    assert tried(again) == tried(first)


KILLED_IN_A_TRIAL = """
    import os, signal, sys
    from pathlib import Path
    from ml_assets.core.training import tuning
    from tests.unit.test_tuning import model, search

    fit, calls = tuning.fit, []

    def deadly(*args, on_round, **kwargs):
        calls.append(1)

        def die(number, value):
            on_round(number, value)
            if len(calls) == 4 and number == 15:
                os.kill(os.getpid(), signal.SIGKILL)

        return fit(*args, on_round=die, **kwargs)

    tuning.fit = deadly
    search(model(), Path(sys.argv[1]))
"""


def test_a_search_that_is_killed_in_a_trial_finds_the_same_afterwards(tmp_path: Path) -> None:
    code = textwrap.dedent(KILLED_IN_A_TRIAL)
    command = [sys.executable, "-c", code, str(tmp_path / "a")]
    done = subprocess.run(command, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == -9
    resumed = search(model(), tmp_path / "a")
    assert resumed.resumed == 3
    storage = f"sqlite:///{tmp_path / 'a' / 'tuning.db'}"
    states = [one.state for one in optuna.load_study(study_name=None, storage=storage).trials]
    assert states.count(TrialState.FAIL) == 1
    assert TrialState.RUNNING not in states
    assert tried(resumed) == tried(search(model(), tmp_path / "b"))


def test_trials_in_two_threads_are_as_many_as_wanted(tmp_path: Path) -> None:
    seen: list[TrialRecord] = []
    found = search(model(parallel=2, trials=9), tmp_path, on_trial=seen.append)
    assert sorted(one.number for one in seen) == list(range(9))
    assert sorted(one.number for one in found.trials) == list(range(9))


def test_what_makes_trials_comparable_names_the_study() -> None:
    name = study_name(model(), data_version="v1")
    assert name == study_name(model(trials=99, parallel=3), data_version="v1")
    assert name != study_name(model(), data_version="v2")
    assert name != study_name(model(rounds=41), data_version="v1")
    assert name != study_name(model({"max_depth": SPACE["max_depth"]}), data_version="v1")


def test_trials_on_other_data_do_not_count(tmp_path: Path) -> None:
    search(model(trials=3), tmp_path, version="v1")
    assert search(model(trials=3), tmp_path, version="v2").resumed == 0


def test_too_few_trials_have_no_importances(tmp_path: Path) -> None:
    assert search(model(trials=3), tmp_path).importances == {}


def test_a_yaml_value_outside_the_range_is_tried_all_the_same(tmp_path: Path) -> None:
    space = {"max_depth": {"low": 3, "high": 5, "integer": True}}
    found = search(model(space, trials=3), tmp_path)
    assert found.trials[0].parameters == {"max_depth": 2}


def test_any_estimator_can_be_tuned(tmp_path: Path) -> None:
    spec = model(
        {"max_depth": SPACE["max_depth"]},
        trials=3,
        type="sklearn.ensemble.RandomForestClassifier",
        parameters={"n_estimators": 5},
    )
    found = search(spec, tmp_path)
    assert found.metric == "validation_log_loss"
    assert all(math.isfinite(one.value or math.nan) for one in found.trials)


def test_a_parameter_that_the_estimator_lacks_is_named(tmp_path: Path) -> None:
    space = {"max_dept": SPACE["max_depth"]}
    with pytest.raises(TrainingError, match="max_dept"):
        search(model(space), tmp_path)


def test_an_empty_space_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"tuning\.space is empty"):
        search(model({}), tmp_path)


def test_a_range_that_can_not_be_searched_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"tuning\.space\.gamma: "):
        search(model({"gamma": {"low": 0, "high": 1, "log": True}}), tmp_path)


def test_a_storage_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "tuning.db").write_text("not a database, but long enough to be taken for one" * 99)
    with pytest.raises(StateError, match=r"tuning\.db can't be read or written"):
        search(model(), tmp_path)
