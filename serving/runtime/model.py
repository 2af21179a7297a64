"""The model that a service loads: its files, verified, and what it predicts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from serving.runtime.errors import ModelFileError, SpecError
from serving.runtime.estimators import BoosterEstimator, Estimator, SklearnEstimator
from serving.runtime.files import BASE_FILE, BOOSTER_FILE, MANIFEST
from serving.runtime.libraries import check_libraries
from serving.runtime.linear import BaseMatrix, LinearBase, TargetLevel
from serving.runtime.manifest import XGBOOST, ModelFiles, ModelManifest, first_line
from serving.runtime.predictor import Predictor
from serving.runtime.ranges import InputRanges
from serving.runtime.spec import Task


def build_predictor(
    manifest: ModelManifest, contents: Mapping[str, bytes], *, source: str = "the model"
) -> Predictor:
    """The maths of a model out of the verified content of its files.

    Raises:
        ModelFileError: The model was fitted with another major version of a library than the one
            here, or a file is not of its format, or does not fit the manifest.
    """
    check_libraries(manifest.libraries, source=source)
    target, is_forecast = manifest.columns.target, manifest.forecast is not None
    try:
        predictor = Predictor(
            features=len(manifest.feature_names),
            outputs=manifest.outputs,
            level=TargetLevel.of(manifest.features, target=target) if is_forecast else None,
            base=_base(manifest, contents),
            estimator=_estimator(manifest, contents[manifest.estimator_file]),
        )
        predictor.predict(np.zeros((1, predictor.features), dtype=np.float32))
    except ValueError as error:
        reason = first_line(error) if isinstance(error, ValidationError) else error
        raise ModelFileError(
            f"the files of {source} do not fit its {MANIFEST}: {reason}; fetch the model again"
        ) from error
    return predictor


def _base(manifest: ModelManifest, contents: Mapping[str, bytes]) -> BaseMatrix | None:
    if BASE_FILE not in contents:
        return None
    base = LinearBase.model_validate_json(contents[BASE_FILE])
    if len(base.intercept) != manifest.outputs:
        raise SpecError(f"{BASE_FILE} has {len(base.intercept)} outputs, not {manifest.outputs}")
    return BaseMatrix.of(base, names=tuple(manifest.feature_names))


def _estimator(manifest: ModelManifest, content: bytes) -> Estimator:
    if manifest.estimator != XGBOOST:
        is_classifier = manifest.task == "classification"
        return SklearnEstimator.from_bytes(content, is_classifier=is_classifier)
    estimator = BoosterEstimator.from_bytes(content)
    if estimator.one.num_features() != len(manifest.feature_names):
        raise SpecError(
            f"{BOOSTER_FILE} takes {estimator.one.num_features()} features, "
            f"{MANIFEST} names {len(manifest.feature_names)}"
        )
    return estimator


@dataclass(frozen=True)
class Model:
    """A fitted model, ready to predict.

    Attributes:
        manifest: What the model is.
        predictor: Its maths.
        digest: sha256 of ``model.json``, which names those of the other files; empty for a model
            that was not loaded from files.
    """

    manifest: ModelManifest
    predictor: Predictor
    digest: str = ""

    @classmethod
    def load(cls, directory: Path, *, digest: str = "") -> Self:
        """The model in a directory; every file's sha256 is verified before it is parsed.

        Args:
            directory: Where the files lie.
            digest: sha256 of the manifest, which names those of the other files; empty if nobody
                noted it, and then the manifest is trusted.

        Raises:
            ModelFileError: A file is missing, damaged, of another model or not recorded, or the
                model was fitted with another major version of a library than the one here.
        """
        files = ModelFiles.read(directory, digest=digest)
        predictor = build_predictor(files.manifest, files.contents, source=str(directory))
        return cls(files.manifest, predictor, files.digest)

    @cached_property
    def ranges(self) -> InputRanges:
        """What the number columns of a request had in training."""
        return InputRanges.of(self.manifest.request_columns, self.manifest.input_ranges)

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Predictions for feature rows; they do not depend on what else is in the batch.

        Args:
            features: (n, p) in the order of ``manifest.feature_names``. A forecast whose latest
                value is missing is NaN.

        Returns:
            (n, horizon) in the target's unit, 1 step ahead first; (n,) for a regression; (n, k)
            probabilities in the order of ``manifest.classes``.

        Raises:
            RequestError: The matrix has another number of columns.
        """
        return answer(self.manifest.task, self.predictor.predict(features))


def answer(task: Task, predictions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Predictions (n, k) as a task promises them: (n,) numbers, or probabilities that sum to 1."""
    if task == "classification":
        return np.asarray(predictions / predictions.sum(axis=1, keepdims=True))
    return predictions[:, 0] if task == "regression" else predictions
