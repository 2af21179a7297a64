"""The Feast objects of a model, built from its specification."""

from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Float32, String

from ml_assets.core.names import EVENT_TIMESTAMP, JOIN_KEY
from ml_assets.core.spec import PipelineSpec

STEPS_TO_LIVE = 2
"""Age in steps at which a forecast's feature row is too old to be joined."""


def service_name(model: str, version: int) -> str:
    """Name of the feature service of one version of a model."""
    return f"{model}_v{version}"


def entity(spec: PipelineSpec) -> Entity:
    """What a feature row belongs to, named after the entity column; models may share it."""
    unnamed = "series" if spec.task == "forecast" else "row"
    return Entity(
        name=spec.columns.entity or unnamed, join_keys=[JOIN_KEY], value_type=ValueType.STRING
    )


def feature_view(spec: PipelineSpec, features_path: Path) -> FeatureView:
    """The model's features, read from a Parquet file.

    Args:
        spec: The model.
        features_path: Parquet with the columns ``entity`` (string), ``event_timestamp``
            (timestamp in UTC) and the spec's feature names (float32).
    """
    name = spec.feature_view
    return FeatureView(
        name=name,
        entities=[entity(spec)],
        schema=[
            Field(name=JOIN_KEY, dtype=String),
            *(Field(name=feature, dtype=Float32) for feature in spec.feature_names),
        ],
        source=FileSource(
            name=name, path=str(features_path.resolve()), timestamp_field=EVENT_TIMESTAMP
        ),
        ttl=time_to_live(spec),
        online=True,
        description=spec.description,
        tags={"model": spec.name},
    )


def time_to_live(spec: PipelineSpec) -> timedelta:
    """How old a feature row may be at a join; zero, which is Feast's for ever, without a time."""
    if spec.forecast is None:
        return timedelta(0)
    return timedelta(seconds=STEPS_TO_LIVE * spec.forecast.step_seconds)


def feature_service(spec: PipelineSpec, view: FeatureView, *, version: int) -> FeatureService:
    """The features that one version of the model needs."""
    return FeatureService(
        name=service_name(spec.name, version),
        features=[view],
        description=spec.description,
        tags={"model": spec.name, "version": str(version)},
    )
