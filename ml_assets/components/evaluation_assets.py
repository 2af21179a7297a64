"""What the assets `evaluation` and `promotion` do."""

import logging
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.components.checks import check
from ml_assets.components.golden import log_golden
from ml_assets.components.inputs import load_data, load_series, training_set_version
from ml_assets.components.presentation import Result, shown
from ml_assets.core.errors import RegistryError
from ml_assets.core.spec import PipelineSpec
from ml_assets.resources.failures import stop_if_cancelled
from ml_assets.resources.registry import ModelRegistry
from ml_assets.resources.storage import Storage
from ml_assets.resources.tracking import MlflowRun
from ml_assets.resources.version_files import RegisteredVersion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ml_assets.core.evaluation.comparison import Comparison
    from ml_assets.core.evaluation.gates import GateResult
    from ml_assets.core.features.training_set import TrainingSet
    from ml_assets.core.promotion import Promotion
    from serving.runtime.history import Series
    from serving.runtime.model import Model

FILE = "evaluation.json"
_log = logging.getLogger(__name__)


def evaluation(
    spec: PipelineSpec, storage: Storage, registry: ModelRegistry, run: MlflowRun
) -> Result:
    """Measures candidate, production and baselines on the same rows, and judges the candidate.

    The golden requests are logged before the record: what can be promoted can also be proved.
    """
    from ml_assets.core.evaluation.comparison import compare

    candidate = registry.require(spec.name, "staging")
    production = registry.by_alias(spec.name, "production")
    data, series = load_data(spec, storage), load_series(spec, storage)
    model = _loaded(candidate, registry)
    live = _loaded(production, registry) if production else None
    compared = compare(data, spec, candidate=model, production=live, series=series)
    gates = _judged(compared, data, series, spec)
    golden = log_golden(
        compared, data, spec, storage, registry, run, model=model, candidate=candidate
    )
    _keep(compared, gates, spec, storage, run, candidate=candidate, production=production)
    return dg.MaterializeResult(
        metadata={
            "candidate": candidate.label,
            "production": production.label if production else "none yet",
            "metrics": dg.MetadataValue.md(compared.evaluation.table),
            "test rows": compared.evaluation.rows.compared,
            "golden requests": golden,
            **shown(_figures(compared, data, series, spec), run, folder="evaluation"),
        },
        check_results=_gate_checks(gates),
    )


def _loaded(version: RegisteredVersion, registry: ModelRegistry) -> "Model":
    from serving.runtime.model import Model

    with TemporaryDirectory() as directory:
        return Model.load(registry.bundle(version, Path(directory)))


def _judged(
    compared: "Comparison", data: "TrainingSet", series: "Sequence[Series]", spec: PipelineSpec
) -> "list[GateResult]":
    from ml_assets.core.evaluation.gates import judge
    from ml_assets.core.evaluation.leaks import find_leaks

    leaks = find_leaks(data, spec, series=series)
    return [*judge(compared.evaluation, leaks, gates=spec.gates)]


def _keep(
    compared: "Comparison",
    gates: "Sequence[GateResult]",
    spec: PipelineSpec,
    storage: Storage,
    run: MlflowRun,
    *,
    candidate: RegisteredVersion,
    production: RegisteredVersion | None,
) -> None:
    """Writes the record that a promotion needs, and logs it with the metrics."""
    from ml_assets.core.promotion import EvaluationRecord

    record = EvaluationRecord(
        candidate=candidate.version,
        production=production.version if production else None,
        data_version=training_set_version(spec, storage),
        evaluation=compared.evaluation,
        gates=[*gates],
    )
    storage.write_record(record, storage.file(spec.name, FILE))
    run.log_dict(record.model_dump(mode="json"), FILE)
    run.log_metrics(compared.evaluation.metrics)
    run.set_tags({"evaluated_version": candidate.version})


def _gate_checks(gates: "Sequence[GateResult]") -> list[dg.AssetCheckResult]:
    for gate in gates:
        level = logging.INFO if gate.passed else logging.ERROR
        _log.log(level, "%s: %s", gate.name, gate.description)
    return [
        check(
            gate.name,
            passed=gate.passed,
            description=gate.description,
            blocking=True,
            **gate.metadata,
        )
        for gate in gates
    ]


def _figures(
    compared: "Comparison", data: "TrainingSet", series: "Sequence[Series]", spec: PipelineSpec
) -> "dict[str, Figure]":
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


def promotion(
    spec: PipelineSpec, storage: Storage, registry: ModelRegistry, run: MlflowRun, *, run_id: str
) -> Result:
    """Moves the alias `production` to the candidate, if its evaluation still holds.

    Raises:
        RegistryError: The candidate was not evaluated, failed a gate, production has moved since
            the evaluation, or somebody moved it to the candidate by hand.
    """
    candidate = registry.require(spec.name, "staging")
    entry = _resumed(candidate, registry) or _decided(candidate, spec, storage, registry, run_id)
    example = registry.example(candidate)
    stop_if_cancelled()
    registry.promote(candidate, previous=entry.from_version, record=entry.model_dump_json())
    storage.write_record(entry, storage.file(spec.name, "promotion.json"))
    storage.write_record(example, storage.file(spec.name, "example.json"))
    run.set_tags({"promoted_version": candidate.version})
    _log.info("%s is in production now", candidate.label)
    return dg.MaterializeResult(
        metadata={
            "production": candidate.label,
            "previous": f"v{entry.from_version}" if entry.from_version else "none",
            "who": entry.who,
            "when": dg.MetadataValue.timestamp(entry.when),
            "reason": dg.MetadataValue.md(entry.reason),
        }
    )


def _resumed(candidate: RegisteredVersion, registry: ModelRegistry) -> "Promotion | None":
    """The record of a promotion of the same candidate that has moved the alias already."""
    from ml_assets.core.promotion import Promotion

    production = registry.by_alias(candidate.name, "production")
    if production is None or production.version != candidate.version:
        return None
    if "promotion" not in candidate.tags:
        raise RegistryError(
            f"{candidate.label} is in production already, but no promotion put it there: somebody "
            "moved the alias by hand. Train again, or delete the alias, then evaluate and promote"
        )
    return Promotion.model_validate_json(candidate.tags["promotion"])


def _decided(
    candidate: RegisteredVersion,
    spec: PipelineSpec,
    storage: Storage,
    registry: ModelRegistry,
    run_id: str,
) -> "Promotion":
    from ml_assets.core.promotion import EvaluationRecord, Promotion, now, who

    record = storage.read_record(
        EvaluationRecord, storage.file(spec.name, FILE), made_by="evaluation"
    )
    production = registry.by_alias(spec.name, "production")
    live = production.version if production else None
    record.check_promotable(
        candidate.version, production=live, data_version=candidate.tags["data_version"]
    )
    return Promotion(
        model=spec.name,
        from_version=live,
        to_version=candidate.version,
        who=who(),
        when=now(),
        metrics=record.evaluation.metrics,
        reason=record.reason,
        run_id=run_id,
    )
