"""The sensor that sees which versions went into production, and asks for their release."""

from collections.abc import Sequence

import dagster as dg

from ml_assets.resources.registry import ModelRegistry
from serving.release.changes import Change, Cursor, Production, look, new_changes
from serving.release.partitions import MODEL_VERSIONS, partition_key
from serving.runtime.errors import MLAssetsError

JOB = "release"
SECONDS_BETWEEN_LOOKS = 5


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
