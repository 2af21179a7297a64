"""The Feast objects of a model, built from its specification."""

from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Float32, String

from ml_assets.core.names import EVENT_TIMESTAMP
from ml_assets.core.spec import PipelineSpec
from serving.runtime.feature_store import JOIN_KEY, seconds_to_live, service_name


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
        ttl=timedelta(seconds=seconds_to_live(spec.forecast)),
        online=True,
        description=spec.description,
        tags={"model": spec.name},
    )


def feature_service(spec: PipelineSpec, view: FeatureView, *, version: int) -> FeatureService:
    """The features that one version of the model needs."""
    return FeatureService(
        name=service_name(spec.name, version),
        features=[view],
        description=spec.description,
        tags={"model": spec.name, "version": str(version)},
    )
