"""Names that several rooms share; importing them costs nothing."""

from collections.abc import Mapping

from serving.runtime.feature_store import JOIN_KEY
from serving.runtime.spec import Task

EVENT_TIMESTAMP = "event_timestamp"
KEYS = [JOIN_KEY, EVENT_TIMESTAMP]
"""The columns that every feature table and every point-in-time join has."""

BASELINES: Mapping[Task, tuple[str, ...]] = {
    "forecast": ("persistence", "seasonal_naive"),
    "regression": ("mean",),
    "classification": ("class_prior",),
}
"""The naive predictions that a model of each task must beat."""

METRICS: Mapping[Task, tuple[str, ...]] = {
    "forecast": ("test_mse_scaled", "test_mae_scaled", "test_rmse", "test_mae"),
    "regression": ("test_rmse", "test_mae", "test_r2"),
    "classification": ("test_log_loss", "test_accuracy", "test_brier", "test_roc_auc"),
}
"""The metrics that may decide against production; the first is the task's usual one."""


def gate_names(task: Task) -> tuple[str, ...]:
    """Names of the gates of a task, in the order in which they are judged."""
    better = tuple(f"better_than_{name}" for name in BASELINES[task])
    return (*better, "not_worse_than_production", "no_leak", "finite_predictions")
