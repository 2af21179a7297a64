"""What an evaluation has measured, as it stands in its record."""

from datetime import UTC, datetime
from typing import Any

from ml_assets.core.evaluation.measuring import EntityErrors, Evaluation, RowSpan, StepErrors
from serving.release.bundle.measured import Measured

UNDATED = datetime(1970, 1, 1, tzinfo=UTC)


def measured(task: str, **changes: Any) -> Measured:
    """What is read of an evaluation, which the pipeline's own model has written."""
    fields = {
        "task": task,
        "target": "y",
        "step": "",
        "rows": RowSpan(compared=1200, left_out=0, not_finite=0, first=UNDATED, last=UNDATED),
        "metrics": {"test_rmse": 1.25, "skill_vs_mean": 0.5},
        "production": None,
        "baselines": {"mean": {"test_rmse": 2.5}},
        "steps": {},
        "entities": [],
        "classes": [],
        "confusion": [],
    }
    record = Evaluation.model_validate(fields | changes).model_dump(mode="json")
    return Measured.model_validate(record)


def of_forecast(*, steps: int = 24) -> Measured:
    """Errors on two entities, by step ahead."""
    first, last = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC)
    errors = [step / 100 for step in range(1, steps + 1)]
    return measured(
        "forecast",
        step="1h",
        rows=RowSpan(compared=1200, left_out=0, not_finite=0, first=first, last=last),
        entities=[
            EntityErrors(entity=name, rows=600, mse_scaled=0.25, mae_scaled=0.5)
            for name in ("north", "south")
        ],
        steps={
            name: StepErrors(mse_scaled=errors, mae_scaled=errors)
            for name in ("candidate", "persistence")
        },
    )


def of_classification(*, classes: tuple[str, str] = ("blue", "red")) -> Measured:
    """Rows of two classes, a quarter of the first taken for the second."""
    return measured("classification", classes=[*classes], confusion=[[30, 10], [0, 40]])
