"""The code location `release`: what turns a promoted version into what customers have and trust."""

import dagster as dg

from ml_assets.resources.registry import ModelRegistry
from serving.release import delivery_assets, image_assets
from serving.release.partitions import MODEL_VERSIONS, ONE_AT_A_TIME
from serving.release.sensor import DELIVER, JOB, promoted_models, undelivered
from serving.release.settings import ReleaseSettings

STEPS = (
    image_assets.bento,
    image_assets.service_image,
    image_assets.parity,
    delivery_assets.bundle,
    delivery_assets.push,
    delivery_assets.delivery,
)

ON_ONE_VERSION = dg.PartitionedConfig(
    partitions_def=MODEL_VERSIONS,
    run_config_for_partition_key_fn=lambda _: {},
    tags_for_partition_key_fn=lambda key: {ONE_AT_A_TIME: key},
)

release_job = dg.define_asset_job(
    JOB,
    selection=dg.AssetSelection.assets(*STEPS),
    config=ON_ONE_VERSION,
    description="bento -> service_image -> parity -> bundle -> push -> delivery of a version",
    executor_def=dg.in_process_executor,
)
deliver_job = dg.define_asset_job(
    DELIVER,
    selection=dg.AssetSelection.assets(delivery_assets.delivery),
    config=ON_ONE_VERSION,
    description="Delivers a released version to the customers who have not got it",
    executor_def=dg.in_process_executor,
)
rollback_job = dg.define_asset_job(
    "roll_back",
    selection=dg.AssetSelection.assets(delivery_assets.rollback),
    config=ON_ONE_VERSION,
    description="Takes production back to a released version, and delivers that again",
    executor_def=dg.in_process_executor,
)


@dg.definitions
def defs() -> dg.Definitions:
    """The assets, the jobs and the sensors, on the settings in the environment."""
    settings = ReleaseSettings.from_environment()
    return dg.Definitions(
        assets=[*STEPS, delivery_assets.rollback],
        jobs=[release_job, deliver_job, rollback_job],
        sensors=[promoted_models, undelivered],
        resources={
            "registry": ModelRegistry(tracking_uri=settings.tracking_uri),
            "release": settings,
        },
        executor=dg.in_process_executor,
    )
