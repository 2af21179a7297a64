"""What the evaluation of a version has measured, as far as customers are told."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

Scores = Mapping[str, float]


class _Part(BaseModel):
    """A part of the evaluation's record; what is not told here is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Rows(_Part):
    """The test rows: how many, and the times of the first and the last one."""

    compared: int
    first: datetime
    last: datetime


class EntityErrors(_Part):
    """Scaled errors on the rows of one entity."""

    entity: str
    rows: int
    mse_scaled: float
    mae_scaled: float


class StepErrors(_Part):
    """Scaled errors at each step ahead, the first step first."""

    mse_scaled: Sequence[float]
    mae_scaled: Sequence[float]


class Measured(_Part):
    """The figures of a version beside those of naive baselines on the same rows.

    Attributes:
        rows: The rows.
        metrics: The model's figures, by name.
        baselines: The figures of each baseline.
        entities: Errors on each entity; forecasts only.
        steps: Errors by step ahead of each predictor, ``candidate`` for the model; forecasts only.
        classes: Names of the classes; classifications only.
        confusion: Rows of each true class (row) by predicted class (column).
    """

    rows: Rows
    metrics: Scores
    baselines: Mapping[str, Scores]
    entities: Sequence[EntityErrors] = ()
    steps: Mapping[str, StepErrors] = {}
    classes: Sequence[str] = ()
    confusion: Sequence[Sequence[int]] = ()


class EvaluationFile(_Part):
    """The file that an evaluation leaves in MLflow."""

    evaluation: Measured
