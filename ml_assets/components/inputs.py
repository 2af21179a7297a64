"""What assets read of what earlier ones left: always of one and the same dataset."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ml_assets.core.records import DatasetRecord
from ml_assets.core.spec import PipelineSpec
from ml_assets.resources.storage import Storage

if TYPE_CHECKING:
    from ml_assets.core.features.training_set import TrainingSet
    from serving.runtime.history import Series


def snapshot_file(spec: PipelineSpec, storage: Storage, *, version: str) -> Path:
    """Where a dataset is kept, under the hash of its content."""
    return storage.file(spec.name, "datasets", f"{version}.parquet")


def features_file(spec: PipelineSpec, storage: Storage) -> Path:
    """Where the feature table is kept; another spec of features has another file."""
    return storage.file(spec.name, "features", f"{spec.feature_view}.parquet")


def training_set_file(spec: PipelineSpec, storage: Storage) -> Path:
    """Where the training set is kept."""
    return storage.file(spec.name, "training_set.parquet")


def latest_dataset(spec: PipelineSpec, storage: Storage) -> DatasetRecord:
    """The last good dataset.

    Raises:
        StateError: There is none yet.
    """
    path = storage.file(spec.name, "dataset.json")
    return storage.read_record(DatasetRecord, path, made_by="dataset")


def dataset_source(spec: PipelineSpec, storage: Storage, *, version: str) -> str:
    """Where a dataset came from; empty if it is not the last good one."""
    record = latest_dataset(spec, storage)
    return record.source if record.version == version else ""


def load_snapshot(spec: PipelineSpec, storage: Storage, *, version: str) -> pd.DataFrame:
    """A dataset by its version.

    Raises:
        StateError: It is not kept here.
    """
    path = snapshot_file(spec, storage, version=version)
    return storage.read_frame(path, made_by="dataset")


def features_version(spec: PipelineSpec, storage: Storage) -> str:
    """The dataset that the feature table was made of."""
    return storage.data_version(features_file(spec, storage), made_by="features")


def training_set_version(spec: PipelineSpec, storage: Storage) -> str:
    """The dataset that the training set was made of."""
    return storage.data_version(training_set_file(spec, storage), made_by="training_set")


def load_data(spec: PipelineSpec, storage: Storage) -> "TrainingSet":
    """The training set.

    Raises:
        StateError: There is none yet.
    """
    from ml_assets.core.features.training_set import load_training_set

    path = training_set_file(spec, storage)
    return load_training_set(storage.read_frame(path, made_by="training_set"), spec)


def load_series(spec: PipelineSpec, storage: Storage) -> "list[Series]":
    """The regular series of the dataset that the training set was made of; none of a table."""
    from ml_assets.core.features.table import series_of

    if spec.forecast is None:
        return []
    version = training_set_version(spec, storage)
    return series_of(load_snapshot(spec, storage, version=version), spec)
