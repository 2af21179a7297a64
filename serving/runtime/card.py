"""The model card: what whoever uses a model is told of it."""

from collections.abc import Mapping
from typing import Any

from serving.runtime.manifest import ModelManifest
from serving.runtime.release_notes import ReleaseNotes
from serving.runtime.served import ServedModel
from serving.runtime.settings import ServiceSettings


def model_card(
    served: ServedModel, notes: ReleaseNotes, settings: ServiceSettings
) -> Mapping[str, Any]:
    """The card as a JSON object."""
    manifest = served.model.manifest
    return {
        "model": served.identity,
        "digest": served.model.digest,
        "task": manifest.task,
        "estimator": manifest.estimator,
        "data_version": manifest.data_version,
        "training": manifest.training and manifest.training.model_dump(),
        "metrics": notes.metrics,
        "target": _column(manifest, manifest.columns.target),
        "classes": manifest.classes,
        "inputs": [_column(manifest, name) for name in manifest.request_columns],
        "features": manifest.feature_names,
        "forecast": manifest.forecast and manifest.forecast.model_dump(),
        "timezone": manifest.timezone,
        "limits": settings.limits,
        "support_contact": support_contact(notes, settings) or None,
    }


def support_contact(notes: ReleaseNotes, settings: ServiceSettings) -> str:
    """Whom to ask for help: who runs the service, else who released the model."""
    return settings.support_contact or notes.support_contact


def _column(manifest: ModelManifest, name: str) -> Mapping[str, Any]:
    """A column, and the lowest and highest value that it had in training."""
    return {"name": name, "training_range": manifest.input_ranges.get(name)}
