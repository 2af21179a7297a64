"""What the asset `best_params` does, and what the model takes of it."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.components.inputs import load_data, training_set_version
from ml_assets.components.overrides import TuningOverride
from ml_assets.components.presentation import Result, shown
from ml_assets.core.records import BestParameters
from ml_assets.core.spec import PipelineSpec, Scalar
from ml_assets.resources.storage import Storage
from ml_assets.resources.tracking import MlflowRun

if TYPE_CHECKING:
    from ml_assets.core.training.study import TuningResult

FILE = "best_params.json"
_log = logging.getLogger(__name__)


def best_params(
    spec: PipelineSpec, override: TuningOverride, storage: Storage, run: MlflowRun
) -> Result:
    """Searches parameters on the validation span and keeps the best."""
    from ml_assets.core.evaluation import plots
    from ml_assets.core.training.tuning import tune

    data_version = training_set_version(spec, storage)
    found = tune(
        load_data(spec, storage),
        override.apply(spec),
        storage_path=storage.file(spec.name, "tuning.db"),
        data_version=data_version,
    )
    _keep(found, spec, storage, data_version=data_version)
    run.log_params({f"best_{name}": value for name, value in found.best_parameters.items()})
    run.log_metric("validation_error", found.best_value)
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
            "MLflow run": run.active_run().info.run_id,
            **shown(figures, run, folder="tuning"),
        }
    )


def _keep(
    found: "TuningResult", spec: PipelineSpec, storage: Storage, *, data_version: str
) -> None:
    earlier = _last_result(spec, storage)
    replaced = earlier if earlier and earlier.data_version == data_version else None
    best = BestParameters(
        parameters=found.best_parameters,
        made_for=spec.search_settings,
        data_version=data_version,
        validation_error=found.best_value,
        yaml_validation_error=found.default_value,
        replaced_error=replaced.validation_error if replaced else None,
    )
    storage.write_record(best, storage.file(spec.name, FILE))


def tuned_parameters(spec: PipelineSpec, storage: Storage) -> Mapping[str, Scalar]:
    """What the last search found, unless the YAML changed since in what it belongs to."""
    best = _last_result(spec, storage)
    if best is None:
        return {}
    _log.info("with the parameters of the last search, on dataset %s", best.data_version[:12])
    return best.parameters


def _last_result(spec: PipelineSpec, storage: Storage) -> BestParameters | None:
    path = storage.file(spec.name, FILE)
    if not path.exists():
        return None
    best = storage.read_record(BestParameters, path, made_by="best_params")
    if best.made_for != spec.search_settings:
        _log.info("the YAML file is newer than the last search, whose result is not used")
        return None
    return best
