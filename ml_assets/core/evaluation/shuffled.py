"""A label shuffled in time must not be predictable: if it is, the features or the fit see it."""

import logging
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ml_assets.core.evaluation.baselines import class_names, class_prior
from ml_assets.core.evaluation.metrics import classification_metrics, skill
from ml_assets.core.features.table import Compute, series_features
from ml_assets.core.features.training_set import (
    Part,
    TrainingSet,
    forecast_labels,
    load_training_set,
)
from ml_assets.core.names import KEYS
from ml_assets.core.spec import PipelineSpec, SplitSpec
from ml_assets.core.training.fitting import fit
from serving.runtime.features import compute_features
from serving.runtime.history import Series
from serving.runtime.manifest import XGBOOST

ROUNDS = 15
ENTITIES = 2
READINGS = 4_000
TABLE_ROWS = 5_000
SCORED_ROWS = 1_000
MAX_REPEATS = 10
SPLIT = SplitSpec(train=0.6, validation=0.3, test=0.1)

_log = logging.getLogger(__name__)


def shuffled_skill(
    data: TrainingSet, spec: PipelineSpec, *, series: Sequence[Series] = ()
) -> float:
    """Skill that a quick version of the model has on shuffled labels, over their mean.

    A forecast is rebuilt from readings whose target is shuffled in time, through the feature
    maths of the pipeline; a table gets its labels shuffled within each span. An honest model is
    at 0 or below. Small tables are shuffled up to ten times and the mean is taken.

    Args:
        data: The training set.
        spec: The model; 15 rounds of its estimator are fitted, without early stopping.
        series: The regular series of all entities; forecasts need them.

    Raises:
        DataError: The readings are too few for one row with features and labels.
    """
    quick, seed = quick_version(spec), spec.estimator.seed
    if quick.forecast is not None:
        skills = [skill_over_mean(shuffled_forecast(series, quick), quick)]
    else:
        repeats = math.ceil(SCORED_ROWS / len(data.part("validation")))
        skills = [
            skill_over_mean(shuffled_table(data, seed=seed + number), quick)
            for number in range(min(repeats, MAX_REPEATS))
        ]
    _log.info("skill on shuffled labels: %.3f", np.mean(skills))
    return float(np.mean(skills))


def quick_version(spec: PipelineSpec) -> PipelineSpec:
    """The model with few rounds; a forecast gets a linear base, which unlearns the last value."""
    given = spec.estimator.parameters
    # So few rows are fitted faster by one thread than by several that wait for each other.
    threads = {"nthread": 1} if spec.estimator.type == XGBOOST and "n_jobs" not in given else {}
    quick = {
        "parameters": {**given, **threads},
        "rounds": min(ROUNDS, spec.estimator.rounds),
        "early_stopping_rounds": 0,
        "linear_base": spec.task == "forecast",
    }
    estimator = spec.estimator.model_copy(update=quick)
    return spec.model_copy(update={"estimator": estimator, "split": SPLIT})


def shuffled_forecast(
    series: Sequence[Series], spec: PipelineSpec, *, features: Compute = compute_features
) -> TrainingSet:
    """The training set of readings whose target is shuffled in time.

    Args:
        series: The regular series; the last 4,000 readings or so of the two longest are used.
        spec: The model.
        features: The feature maths, with the signature of ``compute_features``.

    Raises:
        DataError: A span has no row with all features and labels.
    """
    length = max(READINGS, 4 * spec.features.reach)
    longest = sorted(series, key=lambda one: -len(one.timestamps))[:ENTITIES]
    random = np.random.default_rng(spec.estimator.seed)
    shuffled = [_shuffle_target(one.tail(length), random) for one in longest]
    rows = pd.concat([series_features(one, spec, compute=features) for one in shuffled])
    return load_training_set(rows.merge(forecast_labels(shuffled, spec), on=KEYS), spec)


def _shuffle_target(series: Series, random: np.random.Generator) -> Series:
    values = series.values.copy()
    known = np.isfinite(values[:, -1])
    values[known, -1] = random.permutation(values[known, -1])
    return Series(series.entity, series.timestamps, values)


def shuffled_table(data: TrainingSet, *, seed: int) -> TrainingSet:
    """At most 5,000 rows of each span, their labels shuffled within the span."""
    random = np.random.default_rng(seed)
    parts = {name: _shuffle_labels(part, random) for name, part in data.parts.items()}
    return TrainingSet(feature_names=data.feature_names, parts=parts)


def _shuffle_labels(part: Part, random: np.random.Generator) -> Part:
    rows = random.permutation(len(part))[:TABLE_ROWS]
    labels = part.labels[random.permutation(rows)]
    return Part(part.entities[rows], part.timestamps[rows], part.features[rows], labels)


def skill_over_mean(data: TrainingSet, spec: PipelineSpec) -> float:
    """Skill on the validation span over the mean, or the class shares, of the training labels.

    A forecast has the skill of its best step, as a leak may reach one step only.
    """
    train, validation = data.part("train"), data.part("validation")
    found = fit(data, spec).predict(validation.features)
    if spec.task != "classification":
        truth, known = (part.labels.astype(np.float64) for part in (validation, train))
        error, reference = ((truth - guess) ** 2 for guess in (found, known.mean(axis=0)))
        return float(np.max(1 - error.mean(axis=0) / reference.mean(axis=0)))
    classes = class_names(train)
    met = np.isin(validation.labels, classes)
    prior = class_prior(train, rows=len(validation), classes=classes)["class_prior"]
    model, naive = (
        classification_metrics(validation.labels[met], values[met], classes=classes)
        for values in (found, prior)
    )
    return skill(model, naive, task=spec.task)
