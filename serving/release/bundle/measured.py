"""What the evaluation of a version has measured, as far as customers are told."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from serving.release.documents import PartOfDocument

Scores = Mapping[str, float]


class Rows(PartOfDocument):
    """The test rows: how many, and the times of the first and the last one."""

    compared: int
    first: datetime
    last: datetime


class EntityErrors(PartOfDocument):
    """Scaled errors on the rows of one entity."""

    entity: str
    rows: int
    mse_scaled: float
    mae_scaled: float


class StepErrors(PartOfDocument):
    """Scaled errors at each step ahead, the first step first."""

    mse_scaled: Sequence[float]
    mae_scaled: Sequence[float]


class Measured(PartOfDocument):
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


class EvaluationFile(PartOfDocument):
    """The file that an evaluation leaves in MLflow."""

    evaluation: Measured
