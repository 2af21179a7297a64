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
from serving.runtime.manifest import ModelManifest
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

    A production model that the data no longer fits (another task, target, step or horizon, a
    column that is gone) is left out, with a warning in the log and the reason in the evaluation.

    Args:
        data: The training set.
        spec: The model's YAML file.
        candidate: The model to judge.
        production: The model that is live, if any.
        series: The regular series of all entities; forecasts need them.
    """
    test, classes = data.part("test"), candidate.manifest.classes
    found = {CANDIDATE: predictions_of(candidate, test, spec, series=series)}
    live, left_out = _live(production, test, spec, series, classes)
    naive = _baselines(data, spec, series, classes)
    evaluation = evaluate(
        test,
        spec,
        candidate=found[CANDIDATE],
        baselines=naive,
        production=live,
        production_left_out=left_out,
        scale=training_scale(data.part("train"), series, forecast=spec.forecast)
        if spec.forecast
        else None,
        classes=classes,
    )
    return Comparison(
        evaluation, {**found, **({} if live is None else {PRODUCTION: live}), **naive}
    )


def _live(
    production: Model | None,
    test: Part,
    spec: PipelineSpec,
    series: Sequence[Series],
    classes: Sequence[str],
) -> tuple[Predictions | None, str]:
    """The production model's predictions, or why there are none of it."""
    if production is None:
        return None, ""
    try:
        predictions = predictions_of(production, test, spec, series=series)
    except DataError as error:
        _log.warning("production is not compared: %s", error)
        return None, str(error)
    if classes:
        known = production.manifest.classes
        predictions = align_classes(predictions, given=known, wanted=classes)
    return predictions, ""


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
        DataError: The model predicts something else than the YAML file asks for (task, target,
            step or horizon), or needs a column that the data no longer has.
    """
    _check_purpose(model, spec)
    manifest = model.manifest
    if manifest.features == spec.features and manifest.feature_names == list(spec.feature_names):
        return model.predict(part.features)
    if spec.forecast is None:
        return model.predict(part.features[:, _columns(manifest.feature_names, spec.feature_names)])
    features = _features_at(model, part, spec, series)
    complete = np.isfinite(features).all(axis=1)
    predictions = np.full((len(part), spec.forecast.horizon), np.nan)
    predictions[complete] = model.predict(features[complete])
    return predictions


def _check_purpose(model: Model, spec: PipelineSpec) -> None:
    """Checks that the model predicts what the YAML file asks for, whatever its features are."""
    made, wanted = _purpose(model.manifest), _purpose(spec)
    different = [name for name in wanted if made.get(name) != wanted[name]]
    if different:
        name = different[0]
        raise DataError(
            f"the model was made for {name} {made[name]}, but the YAML file asks for {name} "
            f"{wanted[name]}"
        )


def _purpose(settings: ModelManifest | PipelineSpec) -> dict[str, str | int]:
    """What a model is for; the task comes first, and so the others are those of the same task."""
    purpose: dict[str, str | int] = {"task": settings.task, "target": settings.columns.target}
    if settings.forecast:
        step, horizon = settings.forecast.step_seconds, settings.forecast.horizon
        purpose |= {"step": f"{step} s", "horizon": horizon}
    return purpose


def _columns(wanted: Sequence[str], known: Sequence[str]) -> list[int]:
    missing = sorted(set(wanted) - set(known))
    if missing:
        raise DataError(f"the model needs column {missing[0]!r}; the data has none")
    return [known.index(name) for name in wanted]


def _features_at(
    model: Model, part: Part, spec: PipelineSpec, series: Sequence[Series]
) -> NDArray[np.float32]:
    wanted = model.manifest.columns.numeric
    order = _columns(wanted, spec.columns.numeric)
    known = {one.entity: one for one in series}
    features = np.full((len(part), len(model.manifest.feature_names)), np.nan, dtype=np.float32)
    for entity, rows in rows_by_entity(part.entities).items():
        one = known[entity]
        reordered = Series(entity, one.timestamps, one.values[:, order])
        table = compute_features(reordered, columns=wanted, spec=model.manifest.features)
        features[rows] = table[np.searchsorted(one.timestamps, part.timestamps[rows])]
    return features
