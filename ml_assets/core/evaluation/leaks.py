"""Does one column alone give the label away? Each is probed by itself on the training rows."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.metrics import balanced_accuracy_score
from sklearn.tree import DecisionTreeClassifier

from ml_assets.core.errors import DataError
from ml_assets.core.evaluation.baselines import latest_readings
from ml_assets.core.evaluation.shuffled import shuffled_skill
from ml_assets.core.features.training_set import Part, TrainingSet
from ml_assets.core.spec import PipelineSpec
from serving.runtime.history import Series
from serving.runtime.spec import FeatureSpec, FrozenModel, Task

Array = NDArray[np.float64]
PROBE_ROWS = 20_000
PROBE_CELLS = 20_000_000
# A feature whose own part is below float32's rounding says nothing beside the latest target.
ROUNDING = 1e-10

_log = logging.getLogger(__name__)


class ColumnShare(FrozenModel):
    """How much of the label one column alone explains, by its most telling feature.

    Attributes:
        column: The column of the readings; a calendar feature is its own column.
        feature: The feature of the column that explains most.
        share: Share of the variance, or balanced accuracy of a classification, 0 to 1.
        explains: What is explained, in words.
    """

    column: str
    feature: str
    share: float
    explains: str


class LeakReport(FrozenModel):
    """What was found on the training rows.

    Attributes:
        columns: Every column, the most telling one first.
        shuffled_skill: Skill of a quick model on shuffled labels, over their mean.
    """

    columns: list[ColumnShare]
    shuffled_skill: float


def find_leaks(
    data: TrainingSet, spec: PipelineSpec, *, series: Sequence[Series] = ()
) -> LeakReport:
    """Probes every column, and fits a quick model on shuffled labels.

    Args:
        data: The training set.
        spec: The model.
        series: The regular series of all entities; forecasts need them.

    Raises:
        DataError: An entity has no series, or too few readings to shuffle.
    """
    columns = probe_columns(data, spec, series=series)
    worst = columns[0]
    _log.info("most telling column: %s explains %.1f%%", worst.column, 100 * worst.share)
    return LeakReport(columns=columns, shuffled_skill=shuffled_skill(data, spec, series=series))


def probe_columns(
    data: TrainingSet, spec: PipelineSpec, *, series: Sequence[Series] = ()
) -> list[ColumnShare]:
    """How much each column alone explains of the labels, the most telling first.

    A forecast is probed on the change of the target since the origin, at every step ahead and
    on average: the share of its variance that a linear fit on the feature and the latest target
    explains, the highest over the steps. Beside its features, each column's latest reading is
    probed, as a difference or a mean may blur what it knows. The latest target comes from the
    series, not from the features, so that a target feature which is joined too late is found.
    A regression takes the higher of squared linear and rank correlation, a classification the
    balanced accuracy of a shallow decision tree, both on all spans: few rows are told apart by
    chance.

    At most 20,000 rows are looked at, drawn with the estimator's seed.
    """
    seed = spec.estimator.seed
    if spec.task == "forecast":
        found = _probe_changes(_sample(data.part("train"), seed=seed), spec, series)
    else:
        shares = _TABULAR[spec.task](_sample(_joined(data), seed=seed))
        words = f"{spec.columns.target!r}"
        found = [
            ColumnShare(column=name, feature=name, share=share, explains=words)
            for name, share in zip(data.feature_names, shares.tolist(), strict=True)
        ]
    return _worst_of_each(sorted(found, key=lambda one: -round(one.share, 6)))


def _worst_of_each(found: Sequence[ColumnShare]) -> list[ColumnShare]:
    worst: dict[str, ColumnShare] = {}
    for one in found:
        worst.setdefault(one.column, one)
    return list(worst.values())


def _columns(spec: FeatureSpec) -> Mapping[str, str]:
    return {
        feature: column
        for column, features in spec.columns.items()
        for feature in FeatureSpec(columns={column: features}).names
    }


def _joined(data: TrainingSet) -> Part:
    parts = tuple(data.parts.values())
    return Part(
        entities=np.concatenate([part.entities for part in parts]),
        timestamps=np.concatenate([part.timestamps for part in parts]),
        features=np.concatenate([part.features for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
    )


def _sample(part: Part, *, seed: int) -> Part:
    labels = part.labels.reshape(len(part), -1).shape[1]
    size = min(PROBE_ROWS, PROBE_CELLS // (part.features.shape[1] + labels))
    if len(part) <= size:
        return part
    rows = np.sort(np.random.default_rng(seed).choice(len(part), size, replace=False))
    return Part(part.entities[rows], part.timestamps[rows], part.features[rows], part.labels[rows])


def _probe_changes(part: Part, spec: PipelineSpec, series: Sequence[Series]) -> list[ColumnShare]:
    if spec.forecast is None:
        raise DataError(f"model {spec.name!r} is no forecast")
    readings = latest_readings(part, series, forecast=spec.forecast)
    known = np.isfinite(readings[:, -1])
    latest = readings[known, -1:]
    changes = part.labels[known].astype(np.float64) - latest
    probed = _probed(spec, readings[known], part.features[known])
    shares = explained_shares(
        np.column_stack([values for _, _, values in probed]),
        latest,
        np.column_stack([changes, changes.mean(axis=1)]),
    )
    words = _change_words(spec.columns.target, changes.shape[1])
    return [
        ColumnShare(column=column, feature=name, share=row.max(), explains=words[row.argmax()])
        for (column, name, _), row in zip(probed, shares, strict=True)
    ]


def _probed(
    spec: PipelineSpec, readings: Array, features: NDArray[np.float32]
) -> list[tuple[str, str, NDArray[np.floating[Any]]]]:
    """Column, name and values of all that is probed.

    The latest reading of a column goes beside its features, which may blur what it knows.
    """
    columns, order = _columns(spec.features), spec.columns.numeric
    named = zip(spec.feature_names, features.T, strict=True)
    latest = ((name, readings[:, order.index(name)]) for name in spec.features.columns)
    return [
        *((columns.get(name, name), name, values) for name, values in named),
        *((name, f"latest {name}", _filled(values)) for name, values in latest),
    ]


def _filled(values: Array) -> Array:
    known = np.isfinite(values)
    return np.where(known, values, values[known].mean() if known.any() else 0.0)


def _change_words(target: str, steps: int) -> list[str]:
    each = [f"the change of {target!r} after {step} steps" for step in range(1, steps + 1)]
    return [*each, f"the mean change of {target!r} over the horizon"]


def explained_shares(features: NDArray[np.floating[Any]], latest: Array, changes: Array) -> Array:
    """Share of each change that a linear fit on one feature and the latest value explains.

    The fit with both is split into the latest value's part, which all features share, and the
    squared partial correlation of the feature.

    Args:
        features: (n, p).
        latest: (n, 1) latest value of the target.
        changes: (n, s) changes since then.

    Returns:
        (p, s) squared multiple correlations, 0 where a change does not vary.
    """
    known = latest - latest.mean()
    moves = changes - changes.mean(axis=0)
    wholes = features.astype(np.float64)
    wholes -= wholes.mean(axis=0)
    alone, total = _without(known, wholes), _squares(moves)
    rest = _without(known, moves)
    own = _squares(alone)
    own[own <= ROUNDING * _squares(wholes)] = np.inf
    gained = (alone.T @ rest) ** 2 / own[:, None]
    explained = (total - _squares(rest) + gained) / np.where(total > 0, total, 1.0)
    return np.clip(np.where(total > 0, explained, 0.0), 0.0, 1.0)


def _without(known: Array, values: Array) -> Array:
    square = float(_squares(known)[0])
    return values if square == 0 else values - known * ((known.T @ values) / square)


def _squares(values: Array) -> Array:
    return np.asarray(np.einsum("ij,ij->j", values, values))


def _correlations(part: Part) -> Array:
    features, labels = part.features.astype(np.float64), part.labels.astype(np.float64)[:, None]
    none = np.zeros((len(part), 1))
    straight = explained_shares(features, none, labels)
    ranked = explained_shares(rankdata(features, axis=0), none, rankdata(labels, axis=0))
    return np.maximum(straight, ranked)[:, 0]


def _tree_accuracies(part: Part) -> Array:
    depth = math.ceil(math.log2(max(2, len(np.unique(part.labels))))) + 1
    tree = DecisionTreeClassifier(max_depth=depth, class_weight="balanced", random_state=0)
    accuracies = [
        balanced_accuracy_score(part.labels, tree.fit(column, part.labels).predict(column))
        for column in np.split(part.features, part.features.shape[1], axis=1)
    ]
    return np.array(accuracies)


_TABULAR: Mapping[Task, Callable[[Part], Array]] = {
    "regression": _correlations,
    "classification": _tree_accuracies,
}
