"""The sensors: one sees what went into production, the other what did not reach a customer."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from ml_assets.resources.registry import ModelRegistry
from serving.release.changes import Change, Cursor, Production, look, new_changes
from serving.release.partitions import MODEL_VERSIONS, partition_key
from serving.runtime.errors import MLAssetsError

JOB, DELIVER = "release", "deliver"
SECONDS_BETWEEN_LOOKS = 5
SECONDS_BETWEEN_DELIVERIES = 300


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


@dg.sensor(
    job_name=DELIVER,
    minimum_interval_seconds=SECONDS_BETWEEN_DELIVERIES,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def undelivered(
    context: dg.SensorEvaluationContext, registry: ModelRegistry
) -> dg.SensorResult | dg.SkipReason:
    """Asks again, once an hour, for deliveries of what is in production that have failed."""
    try:
        models = look(registry)
    except MLAssetsError as error:
        return dg.SkipReason(f"{error}. The next look finds what is missed now")
    live = {partition_key(one.model, one.version): one for one in models if one.version is not None}
    waiting = [key for key, one in live.items() if _is_undelivered(context.instance, key, one)]
    hour = datetime.now(UTC).strftime("%Y-%m-%dT%H")
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=f"{key}:{hour}", partition_key=key) for key in waiting],
        skip_reason=None if waiting else "everybody has what is in production",
    )


def _is_undelivered(instance: dg.DagsterInstance, key: str, live: Production) -> bool:
    """Whether a version was pushed or came back, and its delivery was not finished since then."""
    pushed, *delivered = (_last(instance, asset, key) for asset in ("push", "delivery", "rollback"))
    returns = [
        one.when.timestamp()
        for one in live.promotions
        if one.rollback and one.version == live.version
    ]
    return pushed > 0 and max(delivered) < max([pushed, *returns])


def _last(instance: dg.DagsterInstance, asset: str, key: str) -> float:
    """When an asset was last materialised for a partition, in seconds since 1970; 0 for never."""
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[key])
    records = instance.fetch_materializations(wanted, limit=1).records
    return records[0].timestamp if records else 0.0
