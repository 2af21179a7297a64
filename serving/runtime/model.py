"""The model that a service loads: its files, verified, and what it predicts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from serving.runtime.errors import ModelFileError, SpecError
from serving.runtime.estimators import (
    BOOSTER_FILE,
    SKOPS_FILE,
    BoosterEstimator,
    Estimator,
    SklearnEstimator,
)
from serving.runtime.files import MANIFEST, read_file, read_verified, sha256
from serving.runtime.libraries import Version, check_libraries
from serving.runtime.linear import BaseMatrix, LinearBase, TargetLevel
from serving.runtime.predictor import Predictor
from serving.runtime.ranges import InputRanges
from serving.runtime.spec import ColumnSpec, FeatureSpec, ForecastSpec, FrozenModel, Task, Timezone

BASE_FILE = "base.json"
XGBOOST = "xgboost"

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class TrainingSpan(FrozenModel):
    """The rows that a model was fitted to.

    Attributes:
        rows: How many.
        start: Time of the first row, ISO 8601 in UTC; None for rows without a time.
        end: Time of the last row.
    """

    rows: Annotated[int, Field(ge=1)]
    start: str | None = None
    end: str | None = None


class ModelManifest(FrozenModel):
    """What a model is: the content of ``model.json``.

    Attributes:
        name: Name of the model.
        task: What it does.
        columns: Which column of a request is what.
        forecast: Step, horizon and lookback; forecasts only.
        features: How features are computed from a history; forecasts only.
        feature_names: Columns of the feature matrix, in order.
        classes: Names of the classes in the order of the probabilities; classifications only.
        timezone: IANA time zone of timestamps without an offset.
        data_version: Content hash of the data it was fitted on.
        estimator: ``xgboost``, or the import path of an estimator of scikit-learn.
        libraries: Version of each library that it was fitted with; the same major ones load it.
        input_ranges: Lowest and highest value of each number column in training.
        training: The rows that it was fitted to; None if nobody noted them.
        files: sha256 of every other file in the directory.
    """

    name: str
    task: Task
    columns: ColumnSpec
    forecast: ForecastSpec | None = None
    features: FeatureSpec = FeatureSpec()
    feature_names: list[str] = Field(min_length=1)
    classes: list[str] = Field(default=[])
    timezone: Timezone = "UTC"
    data_version: str
    estimator: str
    libraries: dict[str, Version] = Field(default={})
    input_ranges: dict[str, tuple[float, float]] = Field(default={})
    training: TrainingSpan | None = None
    files: dict[str, Digest]

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        is_forecast = self.task == "forecast"
        if is_forecast != (self.forecast is not None):
            raise SpecError("a forecast, and nothing else, has the section forecast")
        names = self.features.names if is_forecast else tuple(self.columns.inputs)
        if tuple(self.feature_names) != names:
            raise SpecError("feature_names are not those of features and columns")
        if (self.task == "classification") != (len(self.classes) > 1):
            raise SpecError("a classification, and nothing else, has two classes or more")
        if is_forecast and f"{self.columns.target}_lag_0" not in names:
            raise SpecError("a forecast needs the latest value of the target among its features")
        if set(self.files) - {BASE_FILE} != {self.estimator_file}:
            raise SpecError(f"files must name {self.estimator_file}, {BASE_FILE} or no other")
        return self

    @property
    def estimator_file(self) -> str:
        """The file that holds the estimator."""
        return BOOSTER_FILE if self.estimator == XGBOOST else SKOPS_FILE

    @property
    def request_columns(self) -> tuple[str, ...]:
        """The columns of numbers that a request holds."""
        return self.columns.numeric if self.forecast else tuple(self.feature_names)

    @property
    def outputs(self) -> int:
        """Numbers that the model predicts for each row."""
        return self.forecast.horizon if self.forecast else max(1, len(self.classes))


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
        reason = _first_line(error) if isinstance(error, ValidationError) else error
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


def read_manifest(directory: Path) -> ModelManifest:
    """The content of ``model.json``.

    Raises:
        ModelFileError: It is missing, or is not a manifest.
    """
    path = directory / MANIFEST
    return _parse_manifest(read_file(path), path=path)


def _parse_manifest(content: bytes, *, path: Path) -> ModelManifest:
    try:
        return ModelManifest.model_validate_json(content)
    except ValidationError as error:
        raise ModelFileError(
            f"{path} is not a model's manifest: {_first_line(error)}; fetch the model again"
        ) from error


def _first_line(error: ValidationError) -> str:
    first = error.errors()[0]
    return " ".join((".".join(map(str, first["loc"])), first["msg"])).strip()


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
        content = read_file(directory / MANIFEST)
        if digest and sha256(content) != digest:
            raise ModelFileError(
                f"{directory / MANIFEST} is not the manifest that was released: its sha256 is "
                f"{sha256(content)}, released was {digest}; fetch the model again"
            )
        manifest = _parse_manifest(content, path=directory / MANIFEST)
        contents = read_verified(directory, manifest.files)
        predictor = build_predictor(manifest, contents, source=str(directory))
        return cls(manifest, predictor, sha256(content))

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
