"""Resources of every asset, from the settings in the environment."""

import dagster as dg

from ml_assets.resources.feast import FeatureStoreResource
from ml_assets.resources.registry import ModelRegistry
from ml_assets.resources.storage import Storage
from ml_assets.resources.tracking import mlflow_tracking
from ml_assets.settings import Settings


@dg.definitions
def resources() -> dg.Definitions:
    """All resources, and one process for a run: steps share what they have imported."""
    settings = Settings.from_environment()
    tracking = {"tracking_uri": settings.tracking_uri, "artifact_root": settings.artifact_root}
    return dg.Definitions(
        resources={
            "storage": Storage(home=str(settings.home)),
            "feature_store": FeatureStoreResource(home=str(settings.home / "feast")),
            "registry": ModelRegistry(tracking_uri=settings.tracking_uri),
            "mlflow": mlflow_tracking.configured(tracking),
        },
        executor=dg.in_process_executor,
    )
