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

EVALUATION = "evaluation.json"
"""The file beside a released model's directory that holds its :class:`Evaluation`."""


class Evaluation(FrozenModel):
    """What was measured before a model was released.

    Attributes:
        metrics: Figures on the test rows by name; "skill_vs_..." is 1 for a perfect model and 0
            for one that equals the named baseline.
    """

    metrics: dict[str, float] = Field(default={})


def read_evaluation(path: Path) -> Evaluation:
    """Reads what was measured.

    Raises:
        ModelFileError: The file is missing, or is something else.
    """
    try:
        return Evaluation.model_validate_json(read_file(path))
    except ValueError as error:
        raise ModelFileError(f"{path} is damaged; fetch the Bento again") from error


def model_card(
    served: ServedModel, evaluation: Evaluation, settings: ServiceSettings
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
        "metrics": evaluation.metrics,
        "target": _column(manifest, manifest.columns.target),
        "classes": manifest.classes,
        "inputs": [_column(manifest, name) for name in manifest.request_columns],
        "features": manifest.feature_names,
        "forecast": manifest.forecast and manifest.forecast.model_dump(),
        "timezone": manifest.timezone,
        "limits": settings.limits,
        "support_contact": settings.support_contact or None,
    }


def _column(manifest: ModelManifest, name: str) -> Mapping[str, Any]:
    """A column, and the lowest and highest value that it had in training."""
    return {"name": name, "training_range": manifest.input_ranges.get(name)}
