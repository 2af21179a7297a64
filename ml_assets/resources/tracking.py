"""MLflow tracking: one MLflow run for each Dagster run, by dagster-mlflow's resource."""

import os
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import dagster as dg
from filelock import FileLock

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPERIMENT = "ml_assets"
LOCK_SECONDS = 60
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


class MlflowRun(Protocol):
    """What the pipeline uses of dagster-mlflow's resource: MLflow's functions, on one run."""

    def active_run(self) -> Any:
        """The MLflow run of this Dagster run."""

    def log_params(self, params: Mapping[str, object]) -> None:
        """Logs parameters."""

    def log_metric(self, key: str, value: float) -> None:
        """Logs one metric."""

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Logs metrics."""

    def log_dict(self, dictionary: Mapping[str, object], artifact_file: str) -> None:
        """Logs a JSON file."""

    def log_artifact(self, local_path: str) -> None:
        """Logs a file, under its own name."""

    def log_figure(self, figure: "Figure", artifact_file: str) -> None:
        """Logs a picture."""

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Sets tags."""


@dg.resource(
    config_schema={
        "tracking_uri": dg.Field(str, description="Address of MLflow's server or database."),
        "artifact_root": dg.Field(str, default_value="", description="Empty: the server decides."),
    },
    description="The MLflow run of this Dagster run.",
)
def mlflow_tracking(context: dg.InitResourceContext) -> Iterator[Any]:
    """Yields dagster-mlflow's resource, and ends the MLflow run as the Dagster run has ended.

    dagster-mlflow imports MLflow at once, which takes seconds, so that it is imported here and
    not while definitions load. What it yields has all of MLflow's functions as methods.
    """
    quiet_mlflow()
    import dagster_mlflow.resources

    config = context.resource_config
    _ensure_experiment(config["tracking_uri"], config["artifact_root"])
    mlflow_config = {"mlflow_tracking_uri": config["tracking_uri"], "experiment_name": EXPERIMENT}
    resource: Any = dagster_mlflow.resources.MlFlow
    run = resource(context.replace_config(mlflow_config))
    try:
        yield run
    finally:
        run.end_run("FAILED" if _has_failed(context) else "FINISHED")


def _has_failed(context: dg.InitResourceContext) -> bool:
    if context.instance is None or context.run is None:
        return False
    failures = context.instance.all_logs(
        context.run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE
    )
    return bool(failures)


def quiet_mlflow() -> None:
    """Switches off MLflow's telemetry and small talk, before it is imported."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", module="mlflow")
    warnings.filterwarnings("ignore", category=dg.BetaWarning, module="dagster_mlflow|ml_assets")


def _ensure_experiment(tracking_uri: str, artifact_root: str) -> None:
    """Creates the experiment, so that its artifacts lie where the settings say."""
    from mlflow import MlflowClient

    prepare_database(tracking_uri)
    client = MlflowClient(tracking_uri)
    if client.get_experiment_by_name(EXPERIMENT) is None:
        client.create_experiment(EXPERIMENT, artifact_location=artifact_root or None)


@cache
def prepare_database(tracking_uri: str) -> None:
    """Makes the tables of an embedded database, one process at a time.

    MLflow looks which tables are missing and then makes them; two first runs would do so together.
    """
    from mlflow import MlflowClient
    from sqlalchemy import make_url

    if not tracking_uri.startswith("sqlite"):
        return
    database = Path(make_url(tracking_uri).database or "")
    with FileLock(database.with_name(f".{database.name}.lock"), timeout=LOCK_SECONDS):
        client = MlflowClient(tracking_uri, registry_uri=tracking_uri)
        client.search_experiments(max_results=1)
        client.search_registered_models(max_results=1)
