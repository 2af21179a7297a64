"""Candidate, production and baselines on the same rows, each model by its own features."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml_assets.core.errors import DataError
from ml_assets.core.evaluation.baselines import (
    class_prior,
    naive_forecasts,
    training_mean,
    training_scale,
)
from ml_assets.core.evaluation.measuring import CANDIDATE, PRODUCTION, Evaluation, evaluate
from ml_assets.core.evaluation.metrics import align_classes, rows_by_entity
from ml_assets.core.features.training_set import Part, TrainingSet
from ml_assets.core.spec import PipelineSpec
from serving.runtime.features import compute_features
from serving.runtime.history import Series
from serving.runtime.model import Model

Predictions = NDArray[np.float64]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Comparison:
    """What was measured, and every predictor's predictions for the test rows, by name."""

    evaluation: Evaluation
    predictions: Mapping[str, Predictions]


def compare(
    data: TrainingSet,
    spec: PipelineSpec,
    *,
    candidate: Model,
    production: Model | None = None,
    series: Sequence[Series] = (),
) -> Comparison:
    """Measures the candidate, the production model and the naive baselines on the test rows.

    A production model that the data no longer fits (another horizon, a column that is gone) is
    left out, with a warning in the log.

    Args:
        data: The training set.
        spec: The model's YAML file.
        candidate: The model to judge.
        production: The model that is live, if any.
        series: The regular series of all entities; forecasts need them.
    """
    test, classes = data.part("test"), candidate.manifest.classes
    found = {CANDIDATE: predictions_of(candidate, test, spec, series=series)}
    live = None if production is None else _live(production, test, spec, series, classes)
    naive = _baselines(data, spec, series, classes)
    evaluation = evaluate(
        test,
        spec,
        candidate=found[CANDIDATE],
        baselines=naive,
        production=live,
        scale=training_scale(data.part("train"), series, forecast=spec.forecast)
        if spec.forecast
        else None,
        classes=classes,
    )
    return Comparison(
        evaluation, {**found, **({} if live is None else {PRODUCTION: live}), **naive}
    )


def _live(
    production: Model,
    test: Part,
    spec: PipelineSpec,
    series: Sequence[Series],
    classes: Sequence[str],
) -> Predictions | None:
    try:
        predictions = predictions_of(production, test, spec, series=series)
    except DataError as error:
        _log.warning("production is not compared: %s", error)
        return None
    if not classes:
        return predictions
    return align_classes(predictions, given=production.manifest.classes, wanted=classes)


def _baselines(
    data: TrainingSet, spec: PipelineSpec, series: Sequence[Series], classes: Sequence[str]
) -> Mapping[str, Predictions]:
    train, test = data.part("train"), data.part("test")
    if spec.forecast:
        return naive_forecasts(test, series, forecast=spec.forecast)
    if spec.task == "regression":
        return training_mean(train, rows=len(test))
    return class_prior(train, rows=len(test), classes=classes)


def predictions_of(
    model: Model, part: Part, spec: PipelineSpec, *, series: Sequence[Series] = ()
) -> Predictions:
    """What ``model`` predicts for the rows of ``part``.

    An older version may have been fitted on other features than the YAML file names today; they
    are computed anew from the readings.

    Args:
        model: The candidate, or an older version.
        part: The rows, n of them.
        spec: The model's YAML file today, which the rows were made with.
        series: The regular series of all entities; older versions of a forecast need them.

    Returns:
        (n, horizon), (n,) or (n, k) as :meth:`serving.runtime.model.Model.predict`, NaN where a
        feature is missing.

    Raises:
        DataError: The model needs a column that the data no longer has, or another horizon.
    """
    manifest = model.manifest
    if manifest.features == spec.features and manifest.feature_names == list(spec.feature_names):
        return model.predict(part.features)
    if manifest.forecast is None or spec.forecast is None:
        raise DataError(
            f"the version in production needs the columns {', '.join(manifest.feature_names)}; "
            f"the data has {', '.join(spec.feature_names)}"
        )
    if manifest.forecast.horizon != spec.forecast.horizon:
        raise DataError(
            f"the version in production forecasts {manifest.forecast.horizon} steps, "
            f"this one {spec.forecast.horizon}"
        )
    features = _features_at(model, part, spec, series)
    complete = np.isfinite(features).all(axis=1)
    predictions = np.full((len(part), spec.forecast.horizon), np.nan)
    predictions[complete] = model.predict(features[complete])
    return predictions


def _features_at(
    model: Model, part: Part, spec: PipelineSpec, series: Sequence[Series]
) -> NDArray[np.float32]:
    wanted = model.manifest.columns.numeric
    missing = sorted(set(wanted) - set(spec.columns.numeric))
    if missing:
        raise DataError(f"the version in production needs column {missing[0]!r}; the data has none")
    order = [spec.columns.numeric.index(name) for name in wanted]
    known = {one.entity: one for one in series}
    features = np.full((len(part), len(model.manifest.feature_names)), np.nan, dtype=np.float32)
    for entity, rows in rows_by_entity(part.entities).items():
        one = known[entity]
        reordered = Series(entity, one.timestamps, one.values[:, order])
        table = compute_features(reordered, columns=wanted, spec=model.manifest.features)
        features[rows] = table[np.searchsorted(one.timestamps, part.timestamps[rows])]
    return features
