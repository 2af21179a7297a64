from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from ml_assets.core.evaluation.leaks import ColumnShare, explained_shares, find_leaks, probe_columns
from ml_assets.core.evaluation.shuffled import (
    quick_version,
    shuffled_forecast,
    shuffled_skill,
    shuffled_table,
    skill_over_mean,
)
from ml_assets.core.features.training_set import Part, TrainingSet
from ml_assets.core.spec import GateSpec, PipelineSpec
from serving.runtime.features import compute_features
from serving.runtime.history import Series
from serving.runtime.spec import FeatureSpec
from tests.unit.evaluation_cases import (
    Values,
    diabetes,
    forecast_spec,
    iris,
    readings,
    table_set,
    table_spec,
    training_set,
)

GATES = GateSpec()
SPEC = forecast_spec()
NUMBERS = list(iris().columns[:-1])


def ahead(steps: int, *, noise: float = 0.0) -> Callable[[Values], Values]:
    """A column that holds the target so many steps ahead."""

    def column(target: Values) -> Values:
        shifted = np.concatenate([target[steps:], np.full(steps, target[-1])])
        return 3 * shifted + 10 + 3 * noise * np.random.default_rng(5).standard_normal(len(target))

    return column


def probed(leak: Callable[[Values], Values]) -> list[ColumnShare]:
    spec = forecast_spec("LEAK")
    series = [readings("a", leak=leak), readings("b", seed=2, leak=leak)]
    return probe_columns(training_set(series, spec), spec, series=series)


def suspects(found: Sequence[ColumnShare]) -> list[str]:
    return [one.column for one in found if one.share > GATES.leak_threshold]


def test_an_honest_forecast_has_no_suspect() -> None:
    series = [readings()]
    found = probe_columns(training_set(series, SPEC), SPEC, series=series)
    assert {one.column for one in found} >= {"load", "temperature", "hour_of_day_sin"}
    assert suspects(found) == []


def test_a_slow_series_does_not_make_every_column_a_suspect() -> None:
    series = readings()
    series.values[:, -1] = np.cumsum(np.random.default_rng(4).standard_normal(len(series.values)))
    found = probe_columns(training_set([series], SPEC), SPEC, series=[series])
    assert found[0].share < 0.5


@pytest.mark.parametrize("steps", [1, 3, 6])
def test_a_column_that_is_the_target_of_the_future_is_named(steps: int) -> None:
    found = probed(ahead(steps))
    assert suspects(found) == ["LEAK"]
    assert found[0].feature == "LEAK_lag_0"
    assert found[0].explains == f"the change of 'temperature' after {steps} steps"


def test_a_little_noise_does_not_hide_the_leak() -> None:
    assert suspects(probed(ahead(2, noise=0.1))) == ["LEAK"]


def test_a_leak_from_beyond_the_horizon_is_found_by_its_lag() -> None:
    found = probed(ahead(25))
    assert suspects(found) == ["LEAK"]
    assert found[0].feature == "LEAK_lag_23"


def test_a_column_with_the_mean_of_the_future_is_named() -> None:
    def mean(target: Values) -> Values:
        return np.asarray(np.mean([ahead(steps)(target) for steps in range(1, 7)], axis=0))

    found = probed(mean)
    assert suspects(found) == ["LEAK"]
    assert found[0].explains == "the mean change of 'temperature' over the horizon"


def test_the_present_of_the_target_is_no_leak() -> None:
    assert suspects(probed(ahead(0))) == []


def test_target_features_that_are_joined_one_step_late_are_named() -> None:
    series = [readings()]
    data = training_set(series, SPEC)
    train = data.part("train")
    late = Part(train.entities[:-1], train.timestamps[:-1], train.features[1:], train.labels[:-1])
    shifted = TrainingSet(data.feature_names, {**data.parts, "train": late})
    assert suspects(probe_columns(shifted, SPEC, series=series)) == ["temperature"]


def test_a_leak_that_the_features_blur_is_found_in_the_readings() -> None:
    features = {
        "temperature": {"lags": [0, 1]},
        "load": {"lags": [0]},
        "LEAK": {"differences": [23]},
    }
    spec = forecast_spec("LEAK", features={"columns": features})
    series = [readings("a", leak=ahead(2))]
    found = probe_columns(training_set(series, spec), spec, series=series)
    assert suspects(found) == ["LEAK"]
    assert found[0].feature == "latest LEAK"


def test_only_the_worst_feature_of_a_column_is_reported() -> None:
    names = [one.column for one in probed(ahead(1))]
    assert sorted(names) == sorted(set(names))


def test_columns_come_with_the_most_telling_first() -> None:
    shares = [one.share for one in probed(ahead(1))]
    assert shares == sorted(shares, reverse=True)


def test_explained_shares_are_those_of_a_least_squares_fit() -> None:
    random = np.random.default_rng(3)
    features, latest = random.standard_normal((50, 3)), random.standard_normal((50, 1))
    changes = random.standard_normal((50, 2)) + features[:, :1] - latest
    found = explained_shares(features, latest, changes)
    for column, step in np.ndindex(3, 2):
        known = np.column_stack([np.ones(50), features[:, column], latest])
        left = changes[:, step] - known @ np.linalg.lstsq(known, changes[:, step], rcond=None)[0]
        assert found[column, step] == pytest.approx(1 - left.var() / changes[:, step].var())


def test_a_constant_feature_and_a_constant_change_explain_nothing() -> None:
    random = np.random.default_rng(3)
    features = np.column_stack([np.ones(20), random.standard_normal(20)])
    changes = np.column_stack([random.standard_normal(20), np.zeros(20)])
    found = explained_shares(features, np.zeros((20, 1)), changes)
    assert found[0].tolist() == [0, 0]
    assert found[1, 1] == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_columns_of_iris_pass_in_every_split(seed: int) -> None:
    spec = table_spec("classification", NUMBERS, estimator={"seed": seed})
    found = probe_columns(table_set(iris(), spec), spec)
    assert suspects(found) == []
    assert found[0].share > 0.9


def test_a_column_that_tells_all_classes_apart_is_named() -> None:
    table = iris().assign(row=np.arange(150) + 0.5)
    spec = table_spec("classification", [*NUMBERS, "row"])
    found = probe_columns(table_set(table, spec), spec)
    assert suspects(found) == ["row"]
    assert found[0].explains == "'label'"


def test_a_rare_class_is_no_suspicion_against_every_column() -> None:
    random = np.random.default_rng(0)
    table = pd.DataFrame({"x": random.standard_normal(1000), "label": ["no"] * 990 + ["yes"] * 10})
    spec = table_spec("classification", ["x"])
    assert suspects(probe_columns(table_set(table, spec), spec)) == []


def test_the_columns_of_a_regression_pass() -> None:
    table = diabetes()
    spec = table_spec("regression", list(table.columns[:-1]))
    assert suspects(probe_columns(table_set(table, spec), spec)) == []


def test_a_column_that_rises_with_the_label_is_named() -> None:
    table = diabetes().assign(copy=lambda rows: np.exp(rows["label"] / 20))
    spec = table_spec("regression", ["age", "bmi", "copy"])
    assert suspects(probe_columns(table_set(table, spec), spec)) == ["copy"]


def peeking(steps: int) -> Callable[..., NDArray[np.float32]]:
    """Feature maths whose last column is the target so many steps ahead."""

    def features(
        series: Series, *, columns: Sequence[str], spec: FeatureSpec
    ) -> NDArray[np.float32]:
        matrix = compute_features(series, columns=columns, spec=spec).copy()
        matrix[:-steps, -1] = series.values[steps:, -1]
        return matrix

    return features


def test_shuffled_readings_can_not_be_forecast() -> None:
    assert shuffled_skill(training_set([readings()], SPEC), SPEC, series=[readings()]) <= 0


@pytest.mark.parametrize("steps", [1, 6])
def test_feature_maths_that_sees_the_label_can_forecast_shuffled_readings(steps: int) -> None:
    quick = quick_version(SPEC)
    data = shuffled_forecast([readings()], quick, features=peeking(steps))
    assert skill_over_mean(data, quick) > 10 * GATES.shuffled_margin


def test_the_quick_version_does_not_choose_its_rounds_on_the_labels_it_is_scored_on() -> None:
    assert SPEC.estimator.early_stopping_rounds > 0
    assert quick_version(SPEC).estimator.early_stopping_rounds == 0


def test_shuffling_moves_the_target_only_and_keeps_its_values() -> None:
    series = readings()
    data = shuffled_forecast([series], SPEC)
    load, latest = (SPEC.feature_names.index(f"{name}_lag_0") for name in ("load", "temperature"))
    rows = np.searchsorted(series.timestamps, data.part("train").timestamps)
    shuffled = data.part("train").features
    assert (shuffled[:, load] == series.values[rows, 0].astype(np.float32)).all()
    assert (shuffled[:, latest] != series.values[rows, 1].astype(np.float32)).any()
    assert np.isin(shuffled[:, latest], series.values[:, 1].astype(np.float32)).all()


def table_case(task: str) -> tuple[TrainingSet, PipelineSpec]:
    table = iris() if task == "classification" else diabetes()
    spec = table_spec(task, list(table.columns[:-1]))
    return table_set(table, spec), spec


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_shuffled_labels_of_a_table_can_not_be_predicted(task: str) -> None:
    data, spec = table_case(task)
    assert shuffled_skill(data, spec) <= GATES.shuffled_margin


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_label_among_the_features_makes_shuffled_labels_predictable(task: str) -> None:
    data, spec = table_case(task)
    shuffled = shuffled_table(data, seed=1)
    planted = TrainingSet(
        data.feature_names, {name: _with_label(part) for name, part in shuffled.parts.items()}
    )
    assert skill_over_mean(planted, quick_version(spec)) > 10 * GATES.shuffled_margin


def _with_label(part: Part) -> Part:
    features = part.features.copy()
    is_number = np.issubdtype(part.labels.dtype, np.number)
    numbers = part.labels if is_number else np.unique(part.labels, return_inverse=True)[1]
    features[:, 0] = numbers.astype(np.float32)
    return Part(part.entities, part.timestamps, features, part.labels)


def test_shuffled_labels_stay_within_their_span() -> None:
    data, _ = table_case("regression")
    shuffled = shuffled_table(data, seed=1)
    for name, part in data.parts.items():
        assert sorted(shuffled.part(name).labels) == sorted(part.labels)
        assert (shuffled.part(name).labels != part.labels).any()


def test_a_report_holds_both_answers() -> None:
    series = [readings()]
    found = find_leaks(training_set(series, SPEC), SPEC, series=series)
    assert found.shuffled_skill <= 0
    assert found.columns[0].share < GATES.leak_threshold


def test_no_column_of_real_readings_is_suspected(etth1: Path) -> None:
    frame = pd.read_csv(etth1, parse_dates=["date"])
    spec = forecast_spec()
    series = Series(
        "1", frame["date"].to_numpy("datetime64[s]"), frame[["HUFL", "OT"]].to_numpy(np.float64)
    )
    found = probe_columns(training_set([series], spec), spec, series=[series])
    assert found[0].share < 0.5


def test_a_leak_in_real_readings_is_named(etth1: Path) -> None:
    frame = pd.read_csv(etth1, parse_dates=["date"])
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(frame))
    frame["LEAK"] = frame["OT"].shift(-1, fill_value=0.0) + noise
    spec = forecast_spec("LEAK")
    values = frame[["HUFL", "LEAK", "OT"]].to_numpy(np.float64)
    series = Series("1", frame["date"].to_numpy("datetime64[s]"), values)
    found = probe_columns(training_set([series], spec), spec, series=[series])
    assert suspects(found) == ["LEAK"]
