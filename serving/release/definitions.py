"""The code location `release`: what turns a promoted version into what customers have and trust."""

from collections.abc import Mapping

import dagster as dg

from ml_assets.resources.registry import ModelRegistry
from serving.release import assets, handing_over
from serving.release.partitions import MODEL_VERSIONS
from serving.release.sensor import DELIVER, JOB, promoted_models, undelivered
from serving.release.settings import ReleaseSettings

STEPS = (
    assets.bento,
    assets.service_image,
    assets.parity,
    handing_over.bundle,
    handing_over.push,
    handing_over.delivery,
)


def _job(
    name: str, *steps: dg.AssetsDefinition, description: str
) -> dg.UnresolvedAssetJobDefinition:
    """A job on one version; its runs wait for others of the same version (dagster.yaml)."""
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(*steps),
        config=dg.PartitionedConfig(
            partitions_def=MODEL_VERSIONS,
            run_config_for_partition_key_fn=lambda _: {},
            tags_for_partition_key_fn=_tags,
        ),
        description=description,
        executor_def=dg.in_process_executor,
    )


def _tags(key: str) -> Mapping[str, str]:
    return {JOB: key}


release_job = _job(
    JOB,
    *STEPS,
    description="bento -> service_image -> parity -> bundle -> push -> delivery of a version",
)
deliver_job = _job(
    DELIVER, handing_over.delivery, description="Delivers a released version to who lacks it"
)
rollback_job = _job(
    "rollback",
    handing_over.rollback,
    description="Takes production back to a released version, and delivers it again",
)


@dg.definitions
def defs() -> dg.Definitions:
    """The assets, the jobs and the sensors, on the settings in the environment."""
    settings = ReleaseSettings.from_environment()
    return dg.Definitions(
        assets=[*STEPS, handing_over.rollback],
        jobs=[release_job, deliver_job, rollback_job],
        sensors=[promoted_models, undelivered],
        resources={
            "registry": ModelRegistry(tracking_uri=settings.tracking_uri),
            "release": settings,
        },
        executor=dg.in_process_executor,
    )
