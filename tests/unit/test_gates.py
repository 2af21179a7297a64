from datetime import UTC, datetime

import pytest

from ml_assets.core.evaluation.gates import GateResult, judge, within_margin
from ml_assets.core.evaluation.leaks import ColumnShare, LeakReport
from ml_assets.core.evaluation.measuring import Evaluation, RowSpan
from ml_assets.core.names import METRICS, gate_names
from ml_assets.core.spec import GateSpec
from serving.runtime.spec import Task

HONEST = ColumnShare(
    column="load", feature="load_lag_1", share=0.3, explains="the change of 'OT' after 2 steps"
)
LEAKING = HONEST.model_copy(update={"column": "LEAK", "feature": "LEAK_lag_0", "share": 0.997})
SCORES = {
    "test_mse_scaled": 0.026,
    "test_accuracy": 0.9,
    "skill_vs_persistence": 0.2,
    "skill_vs_seasonal_naive": 0.4,
}


def evaluation(
    *, production: dict[str, float] | None = None, not_finite: int = 0, **metrics: float
) -> Evaluation:
    time = datetime(2024, 1, 1, tzinfo=UTC)
    return Evaluation(
        task="forecast",
        target="OT",
        step="1h",
        rows=RowSpan(
            compared=1000, left_out=not_finite, not_finite=not_finite, first=time, last=time
        ),
        metrics=SCORES | metrics,
        production=production,
        baselines={},
        steps={},
        entities=[],
        classes=[],
        confusion=[],
    )


def report(*columns: ColumnShare, shuffled_skill: float = -0.01) -> LeakReport:
    return LeakReport(columns=list(columns) or [HONEST], shuffled_skill=shuffled_skill)


def gate(
    name: str, measured: Evaluation, leaks: LeakReport | None = None, **gates: float | str
) -> GateResult:
    spec = GateSpec.model_validate(gates)
    answers = {one.name: one for one in judge(measured, leaks or report(), gates=spec)}
    return answers[name]


def test_an_honest_and_better_candidate_passes_every_gate() -> None:
    answers = judge(evaluation(), report(), gates=GateSpec())
    assert all(answer.passed for answer in answers)


@pytest.mark.parametrize("task", ["forecast", "regression", "classification"])
def test_the_names_of_the_gates_are_known_beforehand(task: Task) -> None:
    metrics = evaluation().metrics | dict.fromkeys(METRICS[task], 0.5)
    found = evaluation().model_copy(update={"task": task, "metrics": metrics})
    answers = judge(found, report(), gates=GateSpec())
    assert tuple(answer.name for answer in answers) == gate_names(task)


def test_a_candidate_below_a_baseline_fails_that_gate_only() -> None:
    answers = judge(evaluation(skill_vs_persistence=-0.1), report(), gates=GateSpec())
    assert [one.name for one in answers if not one.passed] == ["better_than_persistence"]


def test_a_candidate_that_equals_a_baseline_is_not_better() -> None:
    assert not gate("better_than_persistence", evaluation(skill_vs_persistence=0.0)).passed


def test_min_skill_raises_the_bar() -> None:
    assert not gate("better_than_persistence", evaluation(), min_skill=0.3).passed
    assert gate("better_than_seasonal_naive", evaluation(), min_skill=0.3).passed


def test_the_reason_names_the_baseline_and_the_numbers() -> None:
    answer = gate("better_than_seasonal_naive", evaluation(skill_vs_seasonal_naive=-0.25))
    assert "not better than the same hour yesterday: its skill is -0.250" in answer.description
    assert "1,000 test rows" in answer.description
    assert answer.metadata["skill"] == -0.25


def test_a_baseline_without_values_passes_and_says_so() -> None:
    metrics = {key: value for key, value in SCORES.items() if key != "skill_vs_seasonal_naive"}
    measured = evaluation().model_copy(update={"metrics": metrics})
    answer = gate("better_than_seasonal_naive", measured)
    assert answer.passed
    assert "has no value on any test row" in answer.description


def test_without_a_production_model_the_gate_passes_and_says_so() -> None:
    answer = gate("not_worse_than_production", evaluation())
    assert answer.passed
    assert "No production model" in answer.description


def test_a_candidate_within_the_margin_of_production_passes() -> None:
    measured = evaluation(production={"test_mse_scaled": 0.025})
    assert gate("not_worse_than_production", measured, production_margin=0.05).passed


def test_a_candidate_beyond_the_margin_fails_with_both_numbers() -> None:
    measured = evaluation(production={"test_mse_scaled": 0.025})
    answer = gate("not_worse_than_production", measured, production_margin=0.02)
    assert not answer.passed
    assert "test_mse_scaled is 0.0260, the production model's is 0.0250" in answer.description
    assert "at most 0.0255 is needed (margin 2.0%)" in answer.description


def test_the_same_model_again_is_not_worse() -> None:
    measured = evaluation(production=dict(SCORES))
    assert gate("not_worse_than_production", measured, production_margin=0).passed


def test_of_accuracy_more_is_better() -> None:
    worse = evaluation(production={"test_accuracy": 0.95})
    better = evaluation(production={"test_accuracy": 0.85})
    assert not gate("not_worse_than_production", worse, metric="test_accuracy").passed
    assert gate("not_worse_than_production", better, metric="test_accuracy").passed


def test_a_metric_that_is_not_a_number_is_worse_than_any() -> None:
    assert not within_margin(float("nan"), 1.0, metric="test_rmse", margin=0.1)[0]
    assert not within_margin(float("nan"), 1.0, metric="test_accuracy", margin=0.1)[0]


def test_a_leaking_column_is_named_with_its_feature_and_share() -> None:
    answer = gate("no_leak", evaluation(), report(LEAKING, HONEST))
    assert not answer.passed
    assert "Column 'LEAK' gives the label away" in answer.description
    assert "'LEAK_lag_0' alone explains 99.7% of the change of 'OT'" in answer.description
    assert "load" not in answer.description


def test_every_leaking_column_is_named() -> None:
    second = LEAKING.model_copy(update={"column": "SPY"})
    description = gate("no_leak", evaluation(), report(LEAKING, second, HONEST)).description
    assert "'LEAK'" in description
    assert "'SPY'" in description


def test_the_threshold_of_leaks_is_the_yaml_s() -> None:
    assert not gate("no_leak", evaluation(), leak_threshold=0.25).passed


def test_a_threshold_of_1_switches_the_probe_off() -> None:
    perfect = LEAKING.model_copy(update={"share": 1.0})
    assert gate("no_leak", evaluation(), report(perfect), leak_threshold=1.0).passed


def test_shuffled_labels_that_can_be_predicted_fail() -> None:
    answer = gate("no_leak", evaluation(), report(shuffled_skill=0.4))
    assert not answer.passed
    assert "predicted with a skill of 0.400 (at most 0.05)" in answer.description


def test_a_shuffled_skill_within_the_margin_passes() -> None:
    assert gate("no_leak", evaluation(), report(shuffled_skill=0.04)).passed


def test_a_prediction_that_is_not_finite_fails_with_the_count() -> None:
    answer = gate("finite_predictions", evaluation(not_finite=3))
    assert not answer.passed
    assert "3 of 1,003 test rows" in answer.description


def test_finite_predictions_pass() -> None:
    assert gate("finite_predictions", evaluation()).passed
