"""A candidate, the production model and the naive baselines, measured on the same test rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from ml_assets.core.errors import DataError
from ml_assets.core.evaluation.metrics import (
    Array,
    Scores,
    TargetScale,
    classification_metrics,
    confusion,
    errors_by_step,
    forecast_metrics,
    regression_metrics,
    rows_by_entity,
    skill,
)
from ml_assets.core.features.training_set import Part
from ml_assets.core.spec import PipelineSpec
from serving.runtime.spec import FrozenModel, Task

Score = Callable[[Array, Array], Scores]
CANDIDATE, PRODUCTION = "candidate", "production"


class StepErrors(FrozenModel):
    """Scaled errors of one predictor at each step ahead, the first step first."""

    mse_scaled: list[float]
    mae_scaled: list[float]


class EntityErrors(FrozenModel):
    """The candidate's scaled errors on the rows of one entity."""

    entity: str
    rows: int
    mse_scaled: float
    mae_scaled: float


class RowSpan(FrozenModel):
    """Which test rows were compared.

    Attributes:
        compared: Rows for which every predictor has a finite value.
        left_out: The other test rows.
        not_finite: Test rows for which the candidate gave NaN or infinity.
        first: Time of the first compared row, in UTC.
        last: Time of the last compared row, in UTC.
    """

    compared: int
    left_out: int
    not_finite: int
    first: datetime
    last: datetime


class Evaluation(FrozenModel):
    """What was measured on the test rows; every predictor on exactly the same ones.

    Attributes:
        task: The model's task.
        target: Name of the target column.
        step: Length of a step of a forecast, such as ``1h``; empty for tables.
        rows: Which rows were compared.
        metrics: The candidate's metrics, ``skill_vs_<baseline>`` among them.
        production: The production model's metrics, or None where it is not compared.
        production_left_out: Why the production model can't be compared; "" if it is, or if there
            is none.
        baselines: Metrics of each baseline that is defined on any test row.
        steps: Errors by step ahead of each predictor; forecasts only.
        entities: The candidate's errors on each entity; forecasts only.
        classes: Names of the classes; classification only.
        confusion: Rows of each true class (row) by most probable class (column).
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    task: Task
    target: str
    step: str
    rows: RowSpan
    metrics: Scores
    production: Scores | None
    production_left_out: str = ""
    baselines: dict[str, Scores]
    steps: dict[str, StepErrors]
    entities: list[EntityErrors]
    classes: list[str]
    confusion: list[list[int]]

    @property
    def predictors(self) -> dict[str, Scores]:
        """Metrics of all predictors by name, the candidate first."""
        live = {} if self.production is None else {PRODUCTION: self.production}
        return {CANDIDATE: self.metrics, **live, **self.baselines}

    @property
    def table(self) -> str:
        """All metrics as a Markdown table, one row for each metric."""
        names = list(self.predictors)
        lines = [f"| metric | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
        for metric in self.metrics:
            cells = [_cell(scores.get(metric)) for scores in self.predictors.values()]
            lines.append(f"| {metric} | {' | '.join(cells)} |")
        return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def evaluate(
    test: Part,
    spec: PipelineSpec,
    *,
    candidate: Array,
    baselines: Mapping[str, Array],
    production: Array | None = None,
    production_left_out: str = "",
    scale: TargetScale | None = None,
    classes: Sequence[str] = (),
) -> Evaluation:
    """Measures all predictors on the test rows for which each of them has a finite value.

    Args:
        test: The rows, n of them.
        spec: The model.
        candidate: Predictions, in the shape of the model's output: (n, horizon) or (n,) in the
            target's unit, or (n, k) class probabilities.
        baselines: Naive predictions by name, in the same shape.
        production: Predictions of the production model, in the same shape. A production model or
            baseline without any finite row is left out.
        production_left_out: Why there is a production model but no predictions of it.
        scale: The target's scale on the training rows; forecasts need it.
        classes: Names of the probabilities' columns; classification needs them.

    Raises:
        DataError: Predictions have the wrong shape, or no row is left to compare.
    """
    live = {} if production is None else {PRODUCTION: production}
    common = _common_rows(test, {CANDIDATE: candidate, **live, **baselines}, classes=classes)
    measure = _measure(spec, scale=scale, classes=classes)
    scores = {name: measure(common.labels, found) for name, found in common.predictions.items()}
    naive = {name: scores[name] for name in baselines if name in scores}
    full = {name: scores[name] | _skills(scores[name], naive, spec.task) for name in scores}
    return Evaluation(
        task=spec.task,
        target=spec.columns.target,
        step=spec.forecast.step if spec.forecast else "",
        rows=common.span,
        metrics=full[CANDIDATE],
        production=full.get(PRODUCTION),
        production_left_out=production_left_out or _unpredicted({*live} - {*full}),
        baselines=naive,
        steps=_steps(common, scale),
        entities=_entities(common, scale),
        classes=list(classes),
        confusion=_confusion(common, classes),
    )


def _unpredicted(unknown: set[str]) -> str:
    return "its prediction is missing for every test row" if unknown else ""


@dataclass(frozen=True)
class _Common:
    entities: Array
    labels: Array
    predictions: Mapping[str, Array]
    span: RowSpan


def _common_rows(test: Part, offered: Mapping[str, Array], *, classes: Sequence[str]) -> _Common:
    shape = (len(test), len(classes)) if classes else test.labels.shape
    finite = {name: _finite(name, values, shape) for name, values in offered.items()}
    used = [name for name, rows in finite.items() if rows.any()]
    keep = np.logical_and.reduce([finite[name] for name in used or [CANDIDATE]])
    if CANDIDATE not in used or not keep.any():
        counts = ", ".join(f"{name} on {rows.sum()}" for name, rows in finite.items())
        raise DataError(
            f"there is no test row to compare on: of {len(test)} rows, finite are {counts}"
        )
    rows = slice(None) if keep.all() else keep
    return _Common(
        entities=test.entities[rows],
        labels=test.labels[rows],
        predictions={name: offered[name][rows] for name in used},
        span=_span(test.timestamps[rows], keep=keep, finite=finite[CANDIDATE]),
    )


def _finite(name: str, values: Array, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if values.shape != shape:
        raise DataError(f"predictions of {name} have the shape {values.shape}, not {shape}")
    return np.asarray(np.isfinite(values).reshape(len(values), -1).all(axis=1))


def _span(
    times: NDArray[np.datetime64], *, keep: NDArray[np.bool_], finite: NDArray[np.bool_]
) -> RowSpan:
    first, last = (time.astype("datetime64[us]").item() for time in (times.min(), times.max()))
    return RowSpan(
        compared=int(keep.sum()),
        left_out=int((~keep).sum()),
        not_finite=int((~finite).sum()),
        first=first.replace(tzinfo=UTC),
        last=last.replace(tzinfo=UTC),
    )


def _measure(spec: PipelineSpec, *, scale: TargetScale | None, classes: Sequence[str]) -> Score:
    if spec.task == "regression":
        return regression_metrics
    if spec.task == "classification":
        return partial(classification_metrics, classes=classes)
    if scale is None:
        raise DataError("a forecast is measured on the target's training scale; pass `scale`")
    return partial(forecast_metrics, scale=scale)


def _skills(scores: Scores, naive: Mapping[str, Scores], task: Task) -> Scores:
    return {f"skill_vs_{name}": skill(scores, other, task=task) for name, other in naive.items()}


def _steps(common: _Common, scale: TargetScale | None) -> dict[str, StepErrors]:
    if scale is None:
        return {}
    return {
        name: StepErrors(mse_scaled=squared.tolist(), mae_scaled=absolute.tolist())
        for name, values in common.predictions.items()
        for squared, absolute in [errors_by_step(common.labels, values, scale=scale)]
    }


def _entities(common: _Common, scale: TargetScale | None) -> list[EntityErrors]:
    if scale is None:
        return []
    found = common.predictions[CANDIDATE]
    return [
        EntityErrors(
            entity=entity,
            rows=len(rows),
            mse_scaled=scores["test_mse_scaled"],
            mae_scaled=scores["test_mae_scaled"],
        )
        for entity, rows in rows_by_entity(common.entities).items()
        for scores in [forecast_metrics(common.labels[rows], found[rows], scale=scale)]
    ]


def _confusion(common: _Common, classes: Sequence[str]) -> list[list[int]]:
    if not classes:
        return []
    counts = confusion(common.labels, common.predictions[CANDIDATE], classes=classes)
    return [[int(count) for count in row] for row in counts]
