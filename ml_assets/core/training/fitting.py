"""Fits a model to a training set and writes its files."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml_assets.core.errors import StateError, TrainingError
from ml_assets.core.features.training_set import Part, PartName, TrainingSet
from ml_assets.core.spec import PipelineSpec, Scalar
from ml_assets.core.training.boosting import OnRound, fit_booster
from ml_assets.core.training.estimators import Learnt, fit_estimator
from ml_assets.core.training.ridge import fit_ridge
from ml_assets.core.training.samples import Sample
from serving.runtime.files import BASE_FILE, BOOSTER_FILE, MANIFEST, SKOPS_FILE, sha256
from serving.runtime.libraries import library_version
from serving.runtime.linear import BaseMatrix, LinearBase, TargetLevel, linear_names
from serving.runtime.manifest import XGBOOST, ModelManifest, TrainingSpan
from serving.runtime.model import Model, build_predictor

SPANS: tuple[PartName, PartName] = ("train", "validation")
SKLEARN_LIBRARIES = ("scikit-learn", "skops")
"""What fits and writes every estimator but xgboost's."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """A fitted model that has not been written yet.

    Attributes:
        model: The model; its manifest lacks the data version and the input ranges.
        contents: Content of its files by their names.
        parameters: What the estimator was given.
        history: Validation error after each boosting round; one number for other estimators.
        validation_error: RMSE in the target's unit (over all steps of a forecast), or log loss.
    """

    model: Model
    contents: Mapping[str, bytes]
    parameters: Mapping[str, Scalar]
    history: tuple[float, ...]
    validation_error: float

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """The same numbers as :meth:`serving.runtime.model.Model.predict`."""
        return self.model.predict(features)

    def importance(self) -> dict[str, float]:
        """Share of each feature in what the estimator learnt; empty where it can't tell."""
        shares = self.model.predictor.estimator.importance()
        names = self.model.manifest.feature_names
        return {} if shares is None else dict(zip(names, shares.tolist(), strict=True))


def fit(
    data: TrainingSet,
    spec: PipelineSpec,
    *,
    parameters: Mapping[str, Scalar] | None = None,
    on_round: OnRound | None = None,
) -> Fitted:
    """Fits the estimator of ``spec`` on the training span; the same input gives the same bytes.

    A forecast is fitted relative to the latest value of the target, and with ``linear_base``
    relative to a ridge regression too. The validation span decides when boosting stops and how
    strong the ridge penalty is; the test span is not read.

    Args:
        data: The training set.
        spec: The model.
        parameters: Override those of the estimator in ``spec``.
        on_round: Called with each boosting round and the validation error after it (other
            estimators: once); what it raises ends the fit.

    Raises:
        TrainingError: The estimator or a parameter does not exist or does not fit the data.
    """
    given = {**spec.estimator.parameters, **(parameters or {})}
    classes = _classes(data.part("train"), spec)
    train, validation = (_sample(data.part(name), spec, classes) for name in SPANS)
    shape = (spec.estimator.type, *train.features.shape, train.labels.shape[1])
    _log.info("fitting %s: %d rows, %d features, %d outputs", *shape)
    contents = {}
    if spec.estimator.linear_base:
        base = _fit_base(train, validation, spec)
        contents[BASE_FILE] = base.model_dump_json().encode()
        matrix = BaseMatrix.of(base, names=spec.feature_names)
        train, validation = train.minus(matrix), validation.minus(matrix)
    learnt = _fit_estimator(train, validation, spec, given, len(classes), on_round)
    contents[BOOSTER_FILE if spec.estimator.type == XGBOOST else SKOPS_FILE] = learnt.content
    manifest = _manifest(spec, classes, contents)
    model = Model(manifest, build_predictor(manifest, contents))
    return Fitted(model, contents, given, learnt.history, learnt.error)


def save(
    fitted: Fitted,
    directory: Path,
    *,
    data_version: str,
    input_ranges: Mapping[str, tuple[float, float]],
    training: TrainingSpan | None = None,
) -> ModelManifest:
    """Writes the files that :meth:`serving.runtime.model.Model.load` reads.

    The manifest goes first and comes last, so that a directory left half-way never loads.

    Args:
        fitted: The model.
        directory: Created if need be; an earlier model in it is replaced.
        data_version: Content hash of the data that it was fitted on.
        input_ranges: Lowest and highest value of each number column in training.
        training: The rows that it was fitted to.

    Returns:
        What was written as ``model.json``.

    Raises:
        StateError: The directory can't be written.
    """
    update = {
        "data_version": data_version,
        "input_ranges": dict(input_ranges),
        "training": training,
    }
    manifest = fitted.model.manifest.model_copy(update=update)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name in (MANIFEST, BASE_FILE, BOOSTER_FILE, SKOPS_FILE):
            (directory / name).unlink(missing_ok=True)
        for name, content in fitted.contents.items():
            (directory / name).write_bytes(content)
        (directory / MANIFEST).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
    except OSError as error:
        raise StateError(
            f"the model can't be written to {directory} ({error.strerror or error}); "
            "make room or choose another directory, then run again"
        ) from error
    return manifest


def _classes(train: Part, spec: PipelineSpec) -> tuple[str, ...]:
    if spec.task != "classification":
        return ()
    classes = tuple(np.unique(train.labels.astype(np.str_)).tolist())
    if len(classes) < 2:
        raise TrainingError(
            f"column {spec.columns.target!r} holds only the class {classes[0]!r} in the training "
            "span; a classifier needs two or more"
        )
    return classes


def _sample(part: Part, spec: PipelineSpec, classes: tuple[str, ...]) -> Sample:
    if spec.task == "forecast":
        level = TargetLevel.of(spec.features, target=spec.columns.target)
        return Sample.of_forecast(part, level)
    return Sample.of_classes(part, classes) if classes else Sample.of_regression(part)


def _fit_base(train: Sample, validation: Sample, spec: PipelineSpec) -> LinearBase:
    """A forecast's base sees the target's history only: an autoregression of the differences."""
    names = spec.feature_names
    if spec.task == "forecast":
        target = spec.columns.target
        linear = linear_names(spec.features, target=target)
        names = tuple(name for name in linear if name != f"{target}_lag_0")
    return fit_ridge(train, validation, names=spec.feature_names, of=names)


def _fit_estimator(
    train: Sample,
    validation: Sample,
    spec: PipelineSpec,
    parameters: Mapping[str, Scalar],
    classes: int,
    on_round: OnRound | None,
) -> Learnt:
    if spec.estimator.type == XGBOOST:
        return fit_booster(
            train,
            validation,
            estimator=spec.estimator,
            parameters=parameters,
            classes=classes,
            on_round=on_round,
        )
    learnt = fit_estimator(
        train,
        validation,
        path=spec.estimator.type,
        parameters=parameters,
        seed=spec.estimator.seed,
        is_classifier=classes > 0,
    )
    if on_round is not None:
        on_round(0, learnt.error)
    return learnt


def _manifest(
    spec: PipelineSpec, classes: tuple[str, ...], contents: Mapping[str, bytes]
) -> ModelManifest:
    libraries = (XGBOOST,) if spec.estimator.type == XGBOOST else SKLEARN_LIBRARIES
    return ModelManifest(
        name=spec.name,
        task=spec.task,
        columns=spec.columns,
        forecast=spec.forecast,
        features=spec.features,
        feature_names=list(spec.feature_names),
        classes=list(classes),
        timezone=spec.source.timezone,
        data_version="",
        estimator=spec.estimator.type,
        libraries={name: library_version(name) for name in libraries},
        files={name: sha256(content) for name, content in contents.items()},
    )
