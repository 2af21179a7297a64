"""The code location `release`: what turns a promoted version into an image in a registry."""

import dagster as dg

from ml_assets.resources.registry import ModelRegistry
from serving.release import assets, handing_over
from serving.release.partitions import MODEL_VERSIONS
from serving.release.sensor import JOB, promoted_models
from serving.release.settings import ReleaseSettings

STEPS = (
    assets.bento,
    assets.service_image,
    assets.parity,
    handing_over.bundle,
    handing_over.push,
    handing_over.delivery,
)

release_job = dg.define_asset_job(
    JOB,
    selection=dg.AssetSelection.assets(*STEPS),
    config=dg.PartitionedConfig(
        partitions_def=MODEL_VERSIONS,
        run_config_for_partition_key_fn=lambda _: {},
        # Runs with the same tag wait for each other (dagster.yaml).
        tags_for_partition_key_fn=lambda key: {JOB: key},
    ),
    description="bento -> service_image -> parity -> bundle -> push -> delivery of a version",
    executor_def=dg.in_process_executor,
)


@dg.definitions
def defs() -> dg.Definitions:
    """The assets, the job and the sensor, on the settings in the environment."""
    settings = ReleaseSettings.from_environment()
    return dg.Definitions(
        assets=[*STEPS],
        jobs=[release_job],
        sensors=[promoted_models],
        resources={
            "registry": ModelRegistry(tracking_uri=settings.tracking_uri),
            "release": settings,
        },
        executor=dg.in_process_executor,
    )
