"""The gates before a promotion: each says in plain words what it compared and whether it holds."""

from collections.abc import Iterator

from ml_assets.core.evaluation.baselines import IN_WORDS
from ml_assets.core.evaluation.leaks import LeakReport
from ml_assets.core.evaluation.measuring import Evaluation
from ml_assets.core.evaluation.metrics import LARGER_IS_BETTER
from ml_assets.core.names import BASELINES, METRICS
from ml_assets.core.spec import GateSpec
from serving.runtime.spec import FrozenModel


class GateResult(FrozenModel):
    """The answer of one gate.

    Attributes:
        name: The gate's name, one of `ml_assets.core.names.gate_names`.
        passed: Whether the candidate may be promoted as far as this gate is concerned.
        description: What was compared, with the numbers.
        metadata: The same numbers by name.
    """

    name: str
    passed: bool
    description: str
    metadata: dict[str, float | int | str]


def judge(evaluation: Evaluation, leaks: LeakReport, *, gates: GateSpec) -> tuple[GateResult, ...]:
    """All gates of a candidate.

    Args:
        evaluation: What was measured on the test rows.
        leaks: What was found on the training rows.
        gates: The thresholds.
    """
    better = (
        beats_baseline(evaluation, name, min_skill=gates.min_skill)
        for name in BASELINES[evaluation.task]
    )
    return (
        *better,
        not_worse_than_production(evaluation, gates=gates),
        no_leak(leaks, gates=gates),
        finite_predictions(evaluation),
    )


def beats_baseline(evaluation: Evaluation, baseline: str, *, min_skill: float) -> GateResult:
    """Whether the skill over a baseline is above ``min_skill``; passes where it is undefined."""
    name, words = f"better_than_{baseline}", IN_WORDS[baseline]
    skill = evaluation.metrics.get(f"skill_vs_{baseline}")
    if skill is None:
        reason = f"The baseline '{words}' has no value on any test row, nothing to compare."
        return GateResult(name=name, passed=True, description=reason, metadata={})
    passed = skill > min_skill
    return GateResult(
        name=name,
        passed=passed,
        description=f"The model is {'better' if passed else 'not better'} than {words}: its skill "
        f"is {skill:.3f} and must be above {min_skill:g} (1 is perfect, 0 equals the baseline), "
        f"on {evaluation.rows.compared:,} test rows.",
        metadata={"skill": skill, "min_skill": min_skill, "rows": evaluation.rows.compared},
    )


def not_worse_than_production(evaluation: Evaluation, *, gates: GateSpec) -> GateResult:
    """Whether the metric is at most ``production_margin`` worse than the production model's.

    It passes where there is no production model, or one that can't be compared at all.
    """
    name = "not_worse_than_production"
    metric = METRICS[evaluation.task][0] if gates.metric == "auto" else gates.metric
    candidate = evaluation.metrics[metric]
    if evaluation.production is None:
        reason = _nothing_to_compare(evaluation)
        return GateResult(
            name=name,
            passed=True,
            description=f"{reason} The candidate's {metric} is {candidate:.4f}.",
            metadata={"candidate": candidate},
        )
    live = evaluation.production[metric]
    passed, limit = within_margin(candidate, live, metric=metric, margin=gates.production_margin)
    side = "at least" if metric in LARGER_IS_BETTER else "at most"
    return GateResult(
        name=name,
        passed=passed,
        description=f"{metric} is {candidate:.4f}, the production model's is {live:.4f} on the "
        f"same {evaluation.rows.compared:,} test rows; {side} {limit:.4f} is "
        f"{'kept' if passed else 'needed'} (margin {gates.production_margin:.1%}).",
        metadata={"candidate": candidate, "production": live, "limit": limit},
    )


def _nothing_to_compare(evaluation: Evaluation) -> str:
    if not evaluation.production_left_out:
        return "No production model to compare with."
    return (
        "The production model can't be compared, so the candidate passes without it: "
        f"{evaluation.production_left_out}."
    )


def within_margin(
    candidate: float, live: float, *, metric: str, margin: float
) -> tuple[bool, float]:
    """Whether ``candidate`` is no worse than ``live`` by more than a share, and the limit."""
    share = margin * abs(live)
    if metric in LARGER_IS_BETTER:
        return candidate >= live - share, live - share
    return candidate <= live + share, live + share


def no_leak(leaks: LeakReport, *, gates: GateSpec) -> GateResult:
    """Whether no column knows the label, and the shuffled label can't be predicted."""
    reasons = tuple(_leak_reasons(leaks, gates))
    worst = leaks.columns[0]
    fine = (
        f"No column alone explains more than {worst.share:.1%} of the label (column "
        f"{worst.column!r}, at most {gates.leak_threshold:.1%}), and of shuffled labels nothing "
        f"can be predicted (skill {leaks.shuffled_skill:.3f}, at most {gates.shuffled_margin:g})."
    )
    return GateResult(
        name="no_leak",
        passed=not reasons,
        description=" ".join(reasons) or fine,
        metadata={
            "column": worst.column,
            "feature": worst.feature,
            "share": worst.share,
            "leak_threshold": gates.leak_threshold,
            "shuffled_skill": leaks.shuffled_skill,
            "shuffled_margin": gates.shuffled_margin,
        },
    )


def _leak_reasons(leaks: LeakReport, gates: GateSpec) -> Iterator[str]:
    for found in leaks.columns:
        if not found.share <= gates.leak_threshold:
            yield (
                f"Column {found.column!r} gives the label away: its feature {found.feature!r} "
                f"alone explains {found.share:.1%} of {found.explains} (at most "
                f"{gates.leak_threshold:.1%}). Remove the column, or shift it to the time when "
                "its value is known."
            )
    if not leaks.shuffled_skill <= gates.shuffled_margin:
        yield (
            "Labels shuffled in time can be predicted with a skill of "
            f"{leaks.shuffled_skill:.3f} (at most {gates.shuffled_margin:g}): the features or the "
            "fit see the label. Look for a feature that is computed from the label."
        )


def finite_predictions(evaluation: Evaluation) -> GateResult:
    """Whether the candidate gave a finite number for every test row."""
    rows = evaluation.rows
    total, passed = rows.compared + rows.left_out, rows.not_finite == 0
    return GateResult(
        name="finite_predictions",
        passed=passed,
        description=f"All {total:,} test rows have a finite prediction."
        if passed
        else f"{rows.not_finite:,} of {total:,} test rows have a prediction that is NaN or "
        "infinite; look at the features of those rows and at the estimator's parameters.",
        metadata={"not_finite": rows.not_finite, "rows": total},
    )
