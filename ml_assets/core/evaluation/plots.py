"""Figures of an evaluation and of a search, for people; drawn without any global state."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ml_assets.core.evaluation.baselines import IN_WORDS
from ml_assets.core.evaluation.drawing import (
    BLACK,
    BLUE,
    CYCLE,
    GREY,
    LINES,
    METRIC_WORDS,
    ORANGE,
    PURPLE,
    SKY,
    bars,
    date_axis,
    legend_below,
    new,
    tidy,
)
from ml_assets.core.evaluation.measuring import Evaluation
from ml_assets.core.evaluation.metrics import CALIBRATION_BINS, Array, class_codes
from ml_assets.core.features.training_set import Part
from ml_assets.core.spec import PipelineSpec
from ml_assets.core.training.study import TuningResult
from serving.runtime.history import Series

DPI = 100
TOP = 20
TIME_BINS = 200


def to_png(figure: Figure, *, dpi: int = DPI) -> bytes:
    """The figure as a PNG file, ``dpi`` pixels to an inch."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def forecasts(
    part: Part,
    predictions: Array,
    *,
    series: Sequence[Series],
    spec: PipelineSpec,
    origins: int = 4,
) -> Figure:
    """Forecasts beside what happened, at origins spread evenly over the rows.

    Args:
        part: The rows; its labels are the truth.
        predictions: (n, horizon) forecasts in the target's unit.
        series: The regular series, for the history before each origin.
        spec: The model.
        origins: Number of forecasts shown, in two columns.
    """
    rows = np.unique(np.linspace(0, len(part) - 1, origins + 2).astype(int)[1:-1])
    lines = -(-len(rows) // 2)
    figure = new(
        f"Forecasts of {spec.columns.target} at {len(rows)} origins", height=1 + 2.6 * lines
    )
    panels = np.ravel(figure.subplots(lines, 2, squeeze=False))
    known = {one.entity: one for one in series}
    for axes, row in zip(panels, rows, strict=False):
        _forecast_panel(axes, part, predictions[row], row, known[str(part.entities[row])], spec)
    for axes in panels[len(rows) :]:
        axes.set_visible(False)
    legend_below(figure, panels[0])
    return figure


def _forecast_panel(
    axes: Axes, part: Part, forecast: Array, row: int, series: Series, spec: PipelineSpec
) -> None:
    horizon, origin = len(forecast), part.timestamps[row]
    step = series.timestamps[1] - series.timestamps[0]
    ahead = origin + np.arange(1, horizon + 1) * step
    past = (series.timestamps > origin - 2 * horizon * step) & (series.timestamps <= origin)
    times = np.concatenate([series.timestamps[past], ahead])
    truth = np.concatenate([series.values[past, -1], part.labels[row]])
    axes.plot(times, truth, color=BLACK, lw=1.3, label="what happened")
    axes.plot(ahead, forecast, color=BLUE, lw=1.6, ls="--", marker=".", label="forecast")
    axes.axvline(origin, color=GREY, lw=1, ls=":", label="origin")
    axes.set_title(f"{series.entity}, from {str(origin)[:16].replace('T', ' ')} UTC", fontsize=9)
    date_axis(axes)
    tidy(axes, x="", y=spec.columns.target)


def errors_by_step(evaluation: Evaluation) -> Figure:
    """Scaled mean squared error at each step ahead, of every predictor."""
    figure = new(f"Error by step ahead, {evaluation.rows.compared:,} test origins")
    axes = figure.subplots()
    for name, errors in evaluation.steps.items():
        color, line = LINES.get(name, (PURPLE, "-"))
        steps = np.arange(1, len(errors.mse_scaled) + 1)
        axes.plot(steps, errors.mse_scaled, color=color, ls=line, lw=1.8, label=_words(name))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(bottom=0)
    tidy(axes, x=f"steps of {evaluation.step} ahead", y="mean squared error (scaled target)")
    legend_below(figure, axes)
    return figure


def _words(name: str) -> str:
    return IN_WORDS.get(name, name)


def feature_importance(importances: Mapping[str, float]) -> Figure:
    """The 20 most important features, the first on top, as shares of the sum of all."""
    total = sum(importances.values()) or 1.0
    shares = {name: value / total for name, value in importances.items()}
    shown = f", the first {TOP} of {len(shares)}" if len(shares) > TOP else ""
    shown = shown if shares else ": the estimator does not tell it"
    return bars(_first(shares), title=f"Feature importance{shown}", label="share of the sum")


def parameter_importances(result: TuningResult) -> Figure:
    """How much of the validation error's variance each searched parameter accounts for."""
    title = "Importance of the searched parameters"
    if not result.importances:
        title += ": too few complete trials to tell"
    return bars(_first(result.importances), title=title, label="share of the error's variance")


def _first(values: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(values.items(), key=lambda item: -item[1])[:TOP])


def errors_by_entity(evaluation: Evaluation) -> Figure:
    """The candidate's scaled error on each entity, the worst on top, at most 20."""
    worst = sorted(evaluation.entities, key=lambda one: -one.mse_scaled)[:TOP]
    shown = "" if len(worst) == len(evaluation.entities) else f", the {TOP} worst"
    return bars(
        {f"{one.entity} ({one.rows:,} rows)": one.mse_scaled for one in worst},
        title=f"Error by entity{shown}",
        label="mean squared error (scaled target)",
    )


def residuals(part: Part, predictions: Array, *, spec: PipelineSpec) -> Figure:
    """Prediction minus truth: how it is distributed, and over time or over the prediction.

    Args:
        part: The rows; its labels are the truth.
        predictions: (n,) or (n, horizon) in the target's unit.
        spec: The model.
    """
    errors = predictions.astype(np.float64) - part.labels.astype(np.float64)
    figure = new(f"Residuals of {spec.columns.target}", width=10, height=4)
    left, right = figure.subplots(1, 2)
    edges = np.histogram_bin_edges(
        errors, bins=int(min(60, 2 * errors.size**0.5)), range=_central(errors)
    )
    left.hist(np.ravel(errors), bins=edges.tolist(), color=BLUE)
    left.axvline(0, color=BLACK, lw=1)
    words = f"prediction minus truth ({spec.columns.target})"
    tidy(left, x=words, y="predictions", grid="none")
    if spec.task == "forecast":
        _over_time(right, part.timestamps, errors)
    else:
        right.scatter(predictions, errors, s=8, alpha=0.5, color=BLUE, lw=0)
    right.axhline(0, color=BLACK, lw=1)
    tidy(right, x="origin" if spec.task == "forecast" else "prediction", y=words)
    return figure


def _central(values: Array) -> tuple[float, float]:
    reach = float(np.quantile(np.abs(values), 0.999)) or 1.0
    return -reach, reach


def _over_time(axes: Axes, times: NDArray[np.datetime64], errors: Array) -> None:
    """Median and middle 90 % of the errors in up to 200 spans of time."""
    order = np.argsort(times, kind="stable")
    spans = np.array_split(order, min(TIME_BINS, len(order)))
    low, middle, high = np.array([np.quantile(errors[one], (0.05, 0.5, 0.95)) for one in spans]).T
    centres = np.array([times[one[len(one) // 2]] for one in spans])
    axes.fill_between(centres, low, high, color=SKY, alpha=0.5, lw=0, label="middle 90 %")
    axes.plot(centres, middle, color=BLUE, lw=1.2, label="median")
    axes.legend(frameon=False, loc="upper right")
    date_axis(axes)


def confusion_matrix(evaluation: Evaluation) -> Figure:
    """Rows of each true class by most probable class, coloured by the share of the true class."""
    counts, names = np.array(evaluation.confusion), evaluation.classes
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.6 + 0.6 * len(names)
    figure = new("Confusion matrix (test rows)", width=side + 1.2, height=side)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        color = "white" if shares[row, column] > 0.5 else BLACK
        axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=color)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true")
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    return figure


def calibration(labels: Array, probabilities: Array, *, classes: Sequence[str]) -> Figure:
    """How often a class is true beside how probable it was said to be, in ten bins.

    Args:
        labels: (n,) class names.
        probabilities: (n, k) one column for each of ``classes``.
        classes: Names of the columns.
    """
    codes = class_codes(labels, classes)
    figure = new("Calibration (test rows)", width=6.5, height=5.5)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=":", label="perfect")
    for code, name in enumerate(classes):
        said, happened, rows = _reliability(probabilities[:, code], codes == code)
        color = CYCLE[code % len(CYCLE)]
        axes.plot(said, happened, color=color, lw=1.2, label=name)
        axes.scatter(said, happened, s=20 + 180 * rows / rows.sum(), color=color, alpha=0.7, lw=0)
    axes.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05))
    tidy(axes, x="predicted probability (area: rows)", y="share of rows of the class")
    legend_below(figure, axes)
    return figure


def _reliability(said: Array, happened: Array) -> tuple[Array, Array, Array]:
    bins = np.minimum((said * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    rows = np.bincount(bins, minlength=CALIBRATION_BINS)
    full = rows > 0
    sums = (np.bincount(bins, weights=one, minlength=CALIBRATION_BINS) for one in (said, happened))
    mean_said, share = (one[full] / rows[full] for one in sums)
    return mean_said, share, rows[full]


def tuning_history(result: TuningResult) -> Figure:
    """The validation error of each trial, the best so far, and the YAML's own parameters."""
    figure = new(f"Search of {len(result.trials)} trials")
    axes = figure.subplots()
    complete = [(one.number, one.value) for one in result.trials if one.value is not None]
    pruned = [one.number for one in result.trials if one.value is None]
    numbers, values = np.array(complete).T
    axes.scatter(numbers, values, s=24, color=BLUE, label="complete trial", zorder=3)
    axes.step(
        numbers, np.minimum.accumulate(values), color=ORANGE, where="post", label="best so far"
    )
    axes.axhline(result.default_value, color=GREY, ls=":", label="parameters of the YAML")
    top = float(values.max())
    axes.scatter(pruned, [top] * len(pruned), s=24, color=GREY, marker="x", label="pruned trial")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    tidy(axes, x="trial", y=METRIC_WORDS.get(result.metric, result.metric))
    legend_below(figure, axes)
    return figure
