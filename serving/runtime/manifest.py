"""What a model is, as its directory says it, and its files, verified but not yet parsed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from serving.runtime.errors import ModelFileError, SpecError
from serving.runtime.files import (
    BASE_FILE,
    BOOSTER_FILE,
    MANIFEST,
    SKOPS_FILE,
    read_file,
    read_verified,
    sha256,
)
from serving.runtime.libraries import Version
from serving.runtime.spec import ColumnSpec, FeatureSpec, ForecastSpec, FrozenModel, Task, Timezone

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
    def needs_sklearn(self) -> bool:
        """Whether scikit-learn is what loads the estimator."""
        return self.estimator_file == SKOPS_FILE

    @property
    def timestamp_column(self) -> str:
        """The column of times in a request for a forecast."""
        return self.columns.timestamp or "timestamp"

    @property
    def ignored_columns(self) -> tuple[str, ...]:
        """Columns that a request for rows may hold, and that are not read."""
        roles = (self.columns.target, self.columns.entity, self.columns.timestamp)
        return tuple(name for name in roles if name and name not in self.feature_names)

    @property
    def request_columns(self) -> tuple[str, ...]:
        """The columns of numbers that a request holds."""
        return self.columns.numeric if self.forecast else tuple(self.feature_names)

    @property
    def outputs(self) -> int:
        """Numbers that the model predicts for each row."""
        return self.forecast.horizon if self.forecast else max(1, len(self.classes))


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model, each the one that was recorded.

    Attributes:
        manifest: What the model is.
        contents: The other files by name.
        digest: sha256 of the manifest, which names those of the other files.
    """

    manifest: ModelManifest
    contents: Mapping[str, bytes]
    digest: str

    @classmethod
    def read(cls, directory: Path, *, digest: str = "") -> Self:
        """The files in a directory; every file's sha256 is verified before it is parsed.

        Args:
            directory: Where the files lie.
            digest: sha256 of the manifest; empty if nobody noted it, and then it is trusted.

        Raises:
            ModelFileError: A file is missing, damaged, of another model or not recorded.
        """
        path = directory / MANIFEST
        content = read_file(path)
        found = sha256(content)
        if digest and found != digest:
            raise ModelFileError(
                f"{path} is not the manifest that was released: its sha256 is {found}, released "
                f"was {digest}; fetch the model again"
            )
        manifest = _parse_manifest(content, path=path)
        return cls(manifest, read_verified(directory, manifest.files), found)


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
            f"{path} is not a model's manifest: {first_line(error)}; fetch the model again"
        ) from error


def first_line(error: ValidationError, *, whole: str = "") -> str:
    """What a document has wrong first, and where: in one place of it, or in the ``whole``."""
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"])) or whole
    said = first["msg"].removeprefix("Value error, ")
    return f"{place}: {said}" if place else said
