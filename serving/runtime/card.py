"""The model card: what whoever uses a model is told of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from serving.runtime.errors import ModelFileError
from serving.runtime.files import read_file
from serving.runtime.model import ModelManifest
from serving.runtime.served import ServedModel
from serving.runtime.settings import ServiceSettings
from serving.runtime.spec import FrozenModel

RELEASE = "release.json"
"""The file beside a released model's directory that holds its :class:`ReleaseNotes`."""


class ReleaseNotes(FrozenModel):
    """What is told of a model beside what stands in its manifest.

    Attributes:
        metrics: Figures on the test rows by name; "skill_vs_..." is 1 for a perfect model and 0
            for one that equals the named baseline.
        support_contact: Whom to ask for help: a URL, a mail address or a name.
        digest: sha256 of the model's manifest; empty if nobody noted it.
    """

    metrics: dict[str, float] = Field(default={})
    support_contact: str = ""
    digest: str = ""


def read_release_notes(path: Path) -> ReleaseNotes:
    """Reads the notes of a release.

    Raises:
        ModelFileError: The file is missing, or is something else.
    """
    try:
        return ReleaseNotes.model_validate_json(read_file(path))
    except ValueError as error:
        raise ModelFileError(f"{path} is damaged; fetch the Bento again") from error


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
