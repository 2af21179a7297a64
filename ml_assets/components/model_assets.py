"""What the asset `model` does: fit, log and register."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from ml_assets.components.inputs import (
    dataset_source,
    features_file,
    load_data,
    load_snapshot,
    training_set_version,
)
from ml_assets.components.presentation import Result, shown
from ml_assets.components.tuning_assets import tuned_parameters
from ml_assets.core.provenance import git_commit, lock_sha256
from ml_assets.core.spec import PipelineSpec, Scalar
from ml_assets.resources.registry import LIMITS, PURPOSE, ModelRegistry
from ml_assets.resources.storage import Storage
from ml_assets.resources.tracking import MlflowRun
from ml_assets.resources.version_files import RegisteredVersion

if TYPE_CHECKING:
    from ml_assets.core.features.training_set import TrainingSet
    from ml_assets.core.training.fitting import Fitted
    from serving.runtime.manifest import ModelManifest


def model(
    spec: PipelineSpec,
    overrides: Mapping[str, Scalar],
    storage: Storage,
    registry: ModelRegistry,
    run: MlflowRun,
) -> tuple[RegisteredVersion, Result]:
    """Fits the candidate, logs and registers it, and points the alias `staging` at it.

    Returns:
        The candidate's version, and the asset's result.
    """
    from ml_assets.core.training.fitting import fit

    data, data_version = load_data(spec, storage), training_set_version(spec, storage)
    snapshot = load_snapshot(spec, storage, version=data_version)
    fitted = fit(data, spec, parameters={**tuned_parameters(spec, storage), **overrides})
    with TemporaryDirectory() as directory:
        bundle = Path(directory) / "bundle"
        manifest = _save(fitted, bundle, snapshot, data, spec, data_version=data_version)
        tags = _provenance(
            bundle, manifest, source=dataset_source(spec, storage, version=data_version)
        )
        tags |= {PURPOSE: spec.description, LIMITS: spec.limits}
        uri = _log_model(spec, storage, snapshot, bundle, manifest, tags)
    _log_fit(fitted, spec, tags, run)
    run_id = run.active_run().info.run_id
    version = registry.register(uri, name=spec.name, run_id=run_id, tags=tags)
    registry.set_alias(version, "staging")
    return version, dg.MaterializeResult(
        metadata={
            "version": version.version,
            "MLflow run": run_id,
            "parameters": dg.MetadataValue.json(dict(fitted.parameters)),
            "validation error": fitted.validation_error,
            **tags,
            **_importance(fitted, run),
        }
    )


def _save(
    fitted: "Fitted",
    bundle: Path,
    snapshot: pd.DataFrame,
    data: "TrainingSet",
    spec: PipelineSpec,
    *,
    data_version: str,
) -> "ModelManifest":
    """Writes the bundle, with what its service tells of the data."""
    from ml_assets.core.examples import input_ranges, training_span
    from ml_assets.core.training.fitting import save

    return save(
        fitted,
        bundle,
        data_version=data_version,
        input_ranges=input_ranges(snapshot, data, spec),
        training=training_span(data, spec),
    )


def _provenance(bundle: Path, manifest: "ModelManifest", *, source: str) -> dict[str, str]:
    """What a version is tagged with: its data, code and environment, and every file's digest."""
    from serving.runtime.files import MANIFEST, sha256

    digests = {**manifest.files, MANIFEST: sha256((bundle / MANIFEST).read_bytes())}
    return {
        "data_version": manifest.data_version,
        "data_source": source,
        "git_commit": git_commit(),
        "lock_sha256": lock_sha256(),
        **{f"sha256.{name}": digest for name, digest in digests.items()},
    }


def _log_model(
    spec: PipelineSpec,
    storage: Storage,
    snapshot: pd.DataFrame,
    bundle: Path,
    manifest: "ModelManifest",
    tags: Mapping[str, str],
) -> str:
    """Logs the bundle with an example request beside it."""
    from ml_assets.core.examples import example_rows
    from ml_assets.resources.model_log import log_bundle

    features = storage.read_frame(features_file(spec, storage), made_by="features")
    example = example_rows(snapshot, features, spec)
    return log_bundle(bundle, manifest, example=example, metadata=tags)


def _log_fit(fitted: "Fitted", spec: PipelineSpec, tags: Mapping[str, str], run: MlflowRun) -> None:
    run.set_tags(tags)
    settings = spec.estimator.model_dump(mode="json", exclude={"parameters"})
    run.log_params({"estimator": settings.pop("type"), **settings, **fitted.parameters})
    run.log_metric("validation_error", fitted.validation_error)
    run.log_dict(spec.model_dump(mode="json"), "model_spec.json")
    run.log_dict(spec.features.model_dump(mode="json"), "feature_spec.json")


def _importance(fitted: "Fitted", run: MlflowRun) -> dict[str, dg.MarkdownMetadataValue]:
    from ml_assets.core.evaluation.plots import feature_importance

    return shown({"importance": feature_importance(fitted.importance())}, run, folder="plots")
