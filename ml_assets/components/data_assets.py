"""What the assets of data do: read, compute with `core`, keep, and report."""

from datetime import UTC, datetime

import dagster as dg

from ml_assets.components.checks import dataset_checks, feature_checks
from ml_assets.components.inputs import (
    features_file,
    features_version,
    latest_dataset,
    load_snapshot,
    snapshot_file,
    training_set_file,
)
from ml_assets.components.presentation import Result, preview
from ml_assets.core.records import DatasetRecord, FileRecord
from ml_assets.core.spec import PipelineSpec, SourceSpec
from ml_assets.resources.feast import FeatureStoreResource
from ml_assets.resources.storage import Storage


def dataset(spec: PipelineSpec, source: SourceSpec, storage: Storage) -> Result:
    """Reads and validates the source and keeps it as a snapshot named by its content."""
    from ml_assets.core.dataset.files import shown_uri
    from ml_assets.core.dataset.report import describe
    from ml_assets.core.dataset.snapshot import content_hash, validate
    from ml_assets.core.dataset.sources import read_source

    readings = read_source(source, spec.columns, task=spec.task)
    table = validate(readings, columns=spec.columns, forecast=spec.forecast)
    version = content_hash(table)
    path = snapshot_file(spec, storage, version=version)
    if not path.exists():
        storage.write_frame(table, path, data_version=version)
    record = DatasetRecord(
        version=version,
        source=shown_uri(source.uri),
        rows=len(table),
        files=[FileRecord(uri=one.uri, sha256=one.sha256, rows=one.rows) for one in readings.files],
    )
    storage.write_record(record, storage.file(spec.name, "dataset.json"))
    report = describe(table, columns=spec.columns, forecast=spec.forecast, now=datetime.now(UTC))
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata={
            "dagster/row_count": len(table),
            "entities": report.entities,
            "span": f"{report.first} to {report.last}",
            "missing values": dg.MetadataValue.json(dict(report.missing)),
            "source": record.source,
            "files": dg.MetadataValue.json([one.model_dump() for one in record.files]),
            "path": dg.MetadataValue.path(path),
            "preview": preview(table),
        },
        check_results=dataset_checks(report, spec),
    )


def features(spec: PipelineSpec, storage: Storage, store: FeatureStoreResource) -> Result:
    """Computes the feature table and makes it known to Feast."""
    from ml_assets.core.features.table import feature_table

    version = latest_dataset(spec, storage).version
    snapshot = load_snapshot(spec, storage, version=version)
    table = feature_table(snapshot, spec)
    path = features_file(spec, storage)
    storage.write_frame(table, path, data_version=version)
    view = store.apply(spec, path)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(table),
            "features": len(spec.feature_names),
            "feature view": view,
            "dataset": version,
            "path": dg.MetadataValue.path(path),
            "preview": preview(table),
        },
        check_results=feature_checks(table, snapshot, spec),
    )


def training_set(spec: PipelineSpec, storage: Storage, store: FeatureStoreResource) -> Result:
    """Joins labels with the features that were known at their origins."""
    from ml_assets.core.features.table import series_of
    from ml_assets.core.features.training_set import complete_rows, forecast_labels, tabular_labels

    version = features_version(spec, storage)
    snapshot = load_snapshot(spec, storage, version=version)
    if spec.forecast:
        readings = series_of(snapshot, spec, fill_gaps=False)
        labels = forecast_labels(readings, spec)
    else:
        labels = tabular_labels(snapshot, spec)
    table = complete_rows(store.training_join(spec, labels), spec)
    path = training_set_file(spec, storage)
    storage.write_frame(table, path, data_version=version)
    rows = table["split"].value_counts()
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(table),
            **{f"{part} rows": int(rows[part]) for part in ("train", "validation", "test")},
            "dataset": version,
            "path": dg.MetadataValue.path(path),
            "preview": preview(table),
        }
    )


def online_features(spec: PipelineSpec, storage: Storage, store: FeatureStoreResource) -> Result:
    """Writes the latest features of each entity to the online store."""
    path = storage.require(features_file(spec, storage), made_by="features")
    entities = store.materialize(spec, path)
    return dg.MaterializeResult(metadata={"entities": entities})
