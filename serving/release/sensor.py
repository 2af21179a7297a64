"""The sensor that sees which versions went into production, and asks for their release."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import dagster as dg

from ml_assets.resources.registry import ModelRegistry
from serving.release.changes import Change, Cursor, Production, look, new_changes
from serving.release.partitions import MODEL_VERSIONS, partition_key
from serving.runtime.errors import MLAssetsError

JOB = "release"
SECONDS_BETWEEN_LOOKS = 5
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
"""How long a look waits for MLflow: seconds, where MLflow's own default is minutes."""


@dg.sensor(
    job_name=JOB,
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def promoted_models(
    context: dg.SensorEvaluationContext, registry: ModelRegistry
) -> dg.SensorResult:
    """Asks for one release of each version that went into production, however often it did."""
    try:
        with _short_of_patience(PATIENCE):
            models = look(registry)
    except MLAssetsError as error:
        return dg.SensorResult(skip_reason=f"{error}. The next look finds what is missed now")
    seen = Cursor.model_validate_json(context.cursor) if context.cursor else Cursor()
    changes, cursor = new_changes(seen, models)
    return dg.SensorResult(
        run_requests=[_run_request(change) for change in changes],
        dynamic_partitions_requests=[MODEL_VERSIONS.build_add_request(_partitions(changes))],
        skip_reason=None if changes else _in_production(models),
        cursor=cursor.model_dump_json(),
    )


def _run_request(change: Change) -> dg.RunRequest:
    key = partition_key(change.model, change.version)
    return dg.RunRequest(run_key=f"{key}:{change.key}", partition_key=key)


def _partitions(changes: Sequence[Change]) -> list[str]:
    return sorted({partition_key(change.model, change.version) for change in changes})


def _in_production(models: Sequence[Production]) -> str:
    live = [f"{one.model} v{one.version}" for one in models if one.version is not None]
    if not live:
        return "no change: nothing is in production"
    return f"no change: {', '.join(live)} {'is' if len(live) == 1 else 'are'} in production"


@contextmanager
def _short_of_patience(limits: Mapping[str, str]) -> Iterator[None]:
    """Sets environment variables for a block; MLflow's client has no other way to be told."""
    before = {name: os.environ.get(name) for name in limits}
    os.environ.update(limits)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
