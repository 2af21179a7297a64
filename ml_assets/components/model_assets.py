"""What the assets of a model do: search, fit, log, register, evaluate and promote."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml_assets.components.data_assets import load_snapshot
from ml_assets.components.presentation import Result, check, picture
from ml_assets.core.provenance import git_commit, lock_sha256
from ml_assets.core.spec import PipelineSpec, Scalar, fingerprint
from ml_assets.resources.registry import ModelRegistry, RegisteredVersion
from ml_assets.resources.storage import Storage

if TYPE_CHECKING:
    from ml_assets.core.evaluation.comparison import Comparison
    from ml_assets.core.features.training_set import TrainingSet
    from ml_assets.core.training.fitting import Fitted
    from serving.runtime.history import Series
    from serving.runtime.model import Model


_log = logging.getLogger(__name__)


def load_data(spec: PipelineSpec, storage: Storage) -> "TrainingSet":
    """The training set on disk."""
    from ml_assets.core.features.training_set import load_training_set

    path = storage.file(spec.name, "training_set.parquet")
    return load_training_set(storage.read_frame(path, made_by="training_set"), spec)


def best_params(spec: PipelineSpec, trials: int, storage: Storage, mlflow: Any) -> Result:
    """Searches parameters on the validation span and keeps the best."""
    from ml_assets.core.evaluation import plots
    from ml_assets.core.training.tuning import tune

    found = tune(
        load_data(spec, storage),
        spec,
        storage_path=storage.file(spec.name, "tuning.db"),
        data_version=load_snapshot(spec, storage).version,
        trials=trials or None,
    )
    best = {"parameters": found.best_parameters, "made_for": parameters_key(spec)}
    storage.write_json(storage.file(spec.name, "best_params.json"), best)
    mlflow.log_params({f"best_{name}": value for name, value in found.best_parameters.items()})
    mlflow.log_metric("validation_error", found.best_value)
    figures = {
        "search": plots.tuning_history(found),
        "importance": plots.parameter_importances(found),
    }
    return dg.MaterializeResult(
        metadata={
            "trials": len(found.trials),
            "validation error": found.best_value,
            "validation error of the YAML's parameters": found.default_value,
            "parameters": dg.MetadataValue.json(found.best_parameters),
            "MLflow run": mlflow.active_run().info.run_id,
            **_shown(figures, mlflow, folder="tuning"),
        }
    )


def tuned_parameters(spec: PipelineSpec, storage: Storage) -> dict[str, Scalar]:
    """What the last search found, unless the YAML changed since in what it was made for."""
    path = storage.file(spec.name, "best_params.json")
    if not path.exists():
        return {}
    best = storage.read_json(path, made_by="best_params")
    return dict(best["parameters"]) if best["made_for"] == parameters_key(spec) else {}


def parameters_key(spec: PipelineSpec) -> str:
    """What a search belongs to: the YAML's columns, features, defaults and search space."""
    return fingerprint(spec.columns, spec.features, spec.estimator, spec.tuning)


def model(
    spec: PipelineSpec,
    overrides: Mapping[str, Scalar],
    storage: Storage,
    registry: ModelRegistry,
    mlflow: Any,
) -> tuple[RegisteredVersion, Result]:
    """Fits the candidate, logs and registers it, and points the alias `staging` at it.

    Returns:
        The candidate's version, and the asset's result.
    """
    from ml_assets.core.examples import example_rows, input_ranges, request_of
    from ml_assets.core.training.fitting import fit, save
    from ml_assets.resources.model_log import log_bundle

    data, snapshot = load_data(spec, storage), load_snapshot(spec, storage)
    fitted = fit(data, spec, parameters={**tuned_parameters(spec, storage), **overrides})
    with TemporaryDirectory() as directory:
        bundle = Path(directory) / "bundle"
        ranges = input_ranges(snapshot.frame, data, spec)
        manifest = save(fitted, bundle, data_version=snapshot.version, input_ranges=ranges)
        tags = {
            "data_version": snapshot.version,
            "git_commit": git_commit(),
            "lock_sha256": lock_sha256(),
            **{f"sha256.{name}": digest for name, digest in manifest.files.items()},
        }
        example = example_rows(snapshot.frame, spec)
        uri = log_bundle(bundle, manifest, example=example, metadata=tags)
    storage.write_json(storage.file(spec.name, "example.json"), {"data": request_of(example)})
    shown = _log_fit(fitted, spec, tags, mlflow)
    run_id = mlflow.active_run().info.run_id
    version = registry.register(uri, name=spec.name, run_id=run_id, tags=tags)
    registry.set_alias(version, "staging")
    return version, dg.MaterializeResult(
        metadata={
            "version": version.version,
            "MLflow run": run_id,
            "parameters": dg.MetadataValue.json(dict(fitted.parameters)),
            "validation error": fitted.validation_error,
            **tags,
            **shown,
        }
    )


def _log_fit(
    fitted: "Fitted", spec: PipelineSpec, tags: Mapping[str, str], mlflow: Any
) -> dict[str, dg.MetadataValue]:
    from ml_assets.core.evaluation import plots

    mlflow.set_tags(dict(tags))
    mlflow.log_params({"estimator": spec.estimator.type, **fitted.parameters})
    mlflow.log_metric("validation_error", fitted.validation_error)
    mlflow.log_dict(spec.model_dump(mode="json"), "model_spec.json")
    mlflow.log_dict(spec.features.model_dump(mode="json"), "feature_spec.json")
    return _shown({"importance": plots.feature_importance(fitted.importance())}, mlflow)


def evaluation(
    spec: PipelineSpec, storage: Storage, registry: ModelRegistry, mlflow: Any
) -> Result:
    """Measures candidate, production and baselines on the same rows, and judges the candidate."""
    from ml_assets.core.evaluation.gates import judge
    from ml_assets.core.evaluation.leaks import find_leaks
    from ml_assets.core.features.table import series_of
    from ml_assets.core.promotion import EvaluationRecord

    candidate = registry.require(spec.name, "staging")
    production = registry.by_alias(spec.name, "production")
    data, snapshot = load_data(spec, storage), load_snapshot(spec, storage)
    series = series_of(snapshot.frame, spec) if spec.forecast else []
    compared = _compare(spec, data, series, registry, candidate, production)
    measured = compared.evaluation
    gates = judge(measured, find_leaks(data, spec, series=series), gates=spec.gates)
    for gate in gates:
        _log.log(
            logging.INFO if gate.passed else logging.ERROR, "%s: %s", gate.name, gate.description
        )
    record = EvaluationRecord(
        candidate=candidate.version,
        production=production.version if production else None,
        data_version=snapshot.version,
        evaluation=measured,
        gates=list(gates),
    )
    storage.write_json(storage.file(spec.name, "evaluation.json"), record.model_dump(mode="json"))
    mlflow.log_metrics(measured.metrics)
    mlflow.set_tag("evaluated_version", candidate.version)
    return dg.MaterializeResult(
        metadata={
            "candidate": candidate.label,
            "production": production.label if production else "none yet",
            "metrics": dg.MetadataValue.md(measured.table),
            "test rows": measured.rows.compared,
            **_shown(_figures(compared, data, series, spec), mlflow, folder="evaluation"),
        },
        check_results=[
            check(gate.name, passed=gate.passed, description=gate.description, blocking=True)
            for gate in gates
        ],
    )


def _compare(
    spec: PipelineSpec,
    data: "TrainingSet",
    series: "Sequence[Series]",
    registry: ModelRegistry,
    candidate: RegisteredVersion,
    production: RegisteredVersion | None,
) -> "Comparison":
    from ml_assets.core.evaluation.comparison import compare

    return compare(
        data,
        spec,
        candidate=_loaded(candidate, registry),
        production=_loaded(production, registry) if production else None,
        series=series,
    )


def _loaded(version: RegisteredVersion, registry: ModelRegistry) -> "Model":
    from serving.runtime.model import Model

    with TemporaryDirectory() as directory:
        return Model.load(registry.bundle(version, Path(directory)))


def promotion(
    spec: PipelineSpec, storage: Storage, registry: ModelRegistry, mlflow: Any, *, run_id: str
) -> Result:
    """Moves the alias `production` to the candidate, if its evaluation still holds.

    Raises:
        RegistryError: The candidate was not evaluated, failed a gate, or production has moved
            since the evaluation.
    """
    from ml_assets.core.promotion import EvaluationRecord, Promotion, now, who

    record = EvaluationRecord.model_validate(
        storage.read_json(storage.file(spec.name, "evaluation.json"), made_by="evaluation")
    )
    candidate = registry.require(spec.name, "staging")
    production = registry.by_alias(spec.name, "production")
    live = production.version if production else None
    record.check_promotable(candidate.version, live)
    entry = Promotion(
        model=spec.name,
        from_version=live,
        to_version=candidate.version,
        who=who(),
        when=now(),
        metrics=record.evaluation.metrics,
        reason=record.reason,
        run_id=run_id,
    )
    if production and production.version != candidate.version:
        registry.set_alias(production, "previous")
    registry.tag(candidate, {"promotion": entry.model_dump_json()})
    registry.set_alias(candidate, "production")
    storage.write_json(storage.file(spec.name, "promotion.json"), entry.model_dump(mode="json"))
    mlflow.set_tag("promoted_version", candidate.version)
    return dg.MaterializeResult(
        metadata={
            "production": candidate.label,
            "previous": production.label if production else "none",
            "who": entry.who,
            "when": dg.MetadataValue.timestamp(entry.when),
            "reason": dg.MetadataValue.md(entry.reason),
        }
    )


def _figures(
    compared: "Comparison", data: "TrainingSet", series: "Sequence[Series]", spec: PipelineSpec
) -> dict[str, Any]:
    from ml_assets.core.evaluation import plots

    measured, test = compared.evaluation, data.part("test")
    candidate = compared.predictions["candidate"]
    if spec.task == "classification":
        return {
            "confusion": plots.confusion_matrix(measured),
            "calibration": plots.calibration(test.labels, candidate, classes=measured.classes),
        }
    figures = {"residuals": plots.residuals(test, candidate, spec=spec)}
    if spec.task == "forecast":
        figures["forecasts"] = plots.forecasts(test, candidate, series=series, spec=spec)
        figures["error_by_step"] = plots.errors_by_step(measured)
        figures["error_by_entity"] = plots.errors_by_entity(measured)
    return figures


def _shown(
    figures: Mapping[str, Any], mlflow: Any, *, folder: str = "plots"
) -> dict[str, dg.MetadataValue]:
    """Logs figures to MLflow and returns them as metadata."""
    for name, figure in figures.items():
        mlflow.log_figure(figure, f"{folder}/{name}.png")
    return {name: picture(figure) for name, figure in figures.items()}
