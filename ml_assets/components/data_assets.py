"""What the assets of data do: read, compute with `core`, keep, and report."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from ml_assets.components.presentation import Result, check, preview
from ml_assets.core.spec import PipelineSpec, SourceSpec
from ml_assets.resources.feast import FeatureStoreResource
from ml_assets.resources.storage import Storage

if TYPE_CHECKING:
    from ml_assets.core.dataset.report import DatasetReport, EntityGaps

DATASET_CHECKS = ("columns_and_types", "duplicates", "gaps", "ranges", "staleness")
FEATURE_CHECKS = ("finite", "no_future_leak")


@dataclass(frozen=True)
class Snapshot:
    """The dataset that later assets read, and the hash of its content."""

    frame: pd.DataFrame
    version: str


def load_snapshot(spec: PipelineSpec, storage: Storage) -> Snapshot:
    """The last good dataset of the model.

    Raises:
        StateError: There is none yet.
    """
    pointer = storage.read_json(storage.file(spec.name, "dataset.json"), made_by="dataset")
    path = Path(pointer["path"])
    return Snapshot(storage.read_frame(path, made_by="dataset"), pointer["version"])


def dataset(spec: PipelineSpec, source: SourceSpec, storage: Storage) -> Result:
    """Reads and validates the source and keeps it as a snapshot named by its content."""
    from ml_assets.core.dataset.files import shown_uri
    from ml_assets.core.dataset.snapshot import content_hash, describe, validate
    from ml_assets.core.dataset.sources import read_source

    readings = read_source(source, spec.columns, task=spec.task)
    table = validate(readings, columns=spec.columns, forecast=spec.forecast)
    version = content_hash(table)
    path = storage.file(spec.name, "datasets", f"{version}.parquet")
    if not path.exists():
        storage.write_frame(table, path)
    pointer: dict[str, str | int] = {
        "version": version,
        "path": str(path),
        "source": shown_uri(source.uri),
        "rows": len(table),
    }
    files = [{"uri": one.uri, "sha256": one.sha256, "rows": one.rows} for one in readings.files]
    storage.write_json(storage.file(spec.name, "dataset.json"), {**pointer, "files": files})
    report = describe(table, columns=spec.columns, forecast=spec.forecast, now=datetime.now(UTC))
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata={
            "dagster/row_count": len(table),
            "source": shown_uri(source.uri),
            "files": dg.MetadataValue.json(files),
            "path": dg.MetadataValue.path(path),
            "preview": preview(table),
        },
        check_results=dataset_checks(report, spec),
    )


def dataset_checks(report: "DatasetReport", spec: PipelineSpec) -> list[dg.AssetCheckResult]:
    """The dataset's checks; those of its structure block, those of its content warn."""
    types = {name: report.types[name] for name in spec.columns.numeric if name in report.types}
    longest = max(report.gaps, key=lambda one: one.longest_steps, default=None)
    outside = [one for one in report.out_of_range if one.rows]
    max_gap = spec.forecast.max_gap if spec.forecast else 0
    max_age = spec.source.max_age_hours
    return [
        check(
            "columns_and_types",
            passed=set(types) >= {*spec.columns.inputs} and _are_numbers(types, spec),
            description=", ".join(f"{name}: {kind}" for name, kind in report.types.items()),
            blocking=True,
        ),
        check(
            "duplicates",
            passed=report.duplicates == 0,
            description=f"{report.duplicates:,} rows repeat an entity and timestamp",
            blocking=True,
        ),
        check(
            "gaps",
            passed=longest is None or longest.longest_steps <= max_gap,
            description=_gaps_in_words(report, longest, max_gap),
        ),
        check(
            "ranges",
            passed=not outside,
            description="; ".join(
                f"{one.column}: {one.rows:,} values outside {one.low:g} to {one.high:g}, the first "
                f"is {one.first_value:g} at {one.first_place}"
                for one in outside
            )
            or "all values are plausible",
        ),
        check(
            "staleness",
            passed=not max_age or report.age_hours is None or report.age_hours <= max_age,
            description=f"the newest reading is {report.age_hours:,.0f} hours old"
            if report.age_hours is not None
            else "the table has no times",
        ),
    ]


def _are_numbers(types: Mapping[str, str], spec: PipelineSpec) -> bool:
    text = {spec.columns.target} if spec.task == "classification" else set()
    return all(kind == "float64" for name, kind in types.items() if name not in text)


def _gaps_in_words(report: "DatasetReport", longest: "EntityGaps | None", max_gap: int) -> str:
    missing = sum(one.missing_steps for one in report.gaps)
    if longest is None or not missing:
        return "no step is missing"
    return (
        f"{missing:,} steps are missing; the longest gap is {longest.longest_steps} steps, at "
        f"{longest.entity} after {longest.longest_after:%F %H:%M}; up to {max_gap} are filled"
    )


def features(spec: PipelineSpec, storage: Storage, store: FeatureStoreResource) -> Result:
    """Computes the feature table and makes it known to Feast."""
    from ml_assets.core.features.table import feature_table

    snapshot = load_snapshot(spec, storage)
    table = feature_table(snapshot.frame, spec)
    path = storage.write_frame(table, storage.file(spec.name, "features.parquet"))
    store.apply(spec, path)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(table),
            "features": len(spec.feature_names),
            "path": dg.MetadataValue.path(path),
            "preview": preview(table),
        },
        check_results=feature_checks(table, snapshot.frame, spec),
    )


def feature_checks(
    table: pd.DataFrame, dataset: pd.DataFrame, spec: PipelineSpec
) -> list[dg.AssetCheckResult]:
    """The features' checks: all numbers finite, and none from the future."""
    import numpy as np

    from ml_assets.core.features.table import future_leaks, series_of

    values = table[list(spec.feature_names)].to_numpy()
    unfit = [
        name
        for name, fit in zip(spec.feature_names, np.isfinite(values).all(0), strict=True)
        if not fit
    ]
    leaks = future_leaks(series_of(dataset, spec), spec) if spec.forecast else []
    named = ", ".join(sorted({name for _, name in leaks}))
    return [
        check(
            "finite",
            passed=not unfit,
            blocking=True,
            description=f"not finite: {', '.join(unfit)}" if unfit else "all values are finite",
        ),
        check(
            "no_future_leak",
            passed=not leaks,
            blocking=True,
            description=f"these change when later readings are cut off: {named}"
            if leaks
            else "recomputed on a truncated past, sampled rows are the same to the last bit",
        ),
    ]


def training_set(spec: PipelineSpec, storage: Storage, store: FeatureStoreResource) -> Result:
    """Joins labels with the features that were known at their origins."""
    from ml_assets.core.features.table import series_of
    from ml_assets.core.features.training_set import complete_rows, forecast_labels, tabular_labels

    snapshot = load_snapshot(spec, storage)
    if spec.forecast:
        readings = series_of(snapshot.frame, spec, fill_gaps=False)
        labels = forecast_labels(readings, spec)
    else:
        labels = tabular_labels(snapshot.frame, spec)
    table = complete_rows(store.training_join(spec, labels), spec)
    path = storage.write_frame(table, storage.file(spec.name, "training_set.parquet"))
    rows = table["split"].value_counts()
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(table),
            **{f"{part} rows": int(rows[part]) for part in ("train", "validation", "test")},
            "path": dg.MetadataValue.path(path),
            "preview": preview(table),
        }
    )


def online_features(spec: PipelineSpec, storage: Storage, store: FeatureStoreResource) -> Result:
    """Writes the latest features of each entity to the online store."""
    path = storage.file(spec.name, "features.parquet")
    entities = store.materialize(spec, storage.require(path, made_by="features"))
    return dg.MaterializeResult(metadata={"entities": entities})
