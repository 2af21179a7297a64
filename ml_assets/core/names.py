"""Names that definitions need before anything is computed; importing them costs nothing."""

from collections.abc import Mapping

from serving.runtime.spec import Task

BASELINES: Mapping[Task, tuple[str, ...]] = {
    "forecast": ("persistence", "seasonal_naive"),
    "regression": ("mean",),
    "classification": ("class_prior",),
}
"""The naive predictions that a model of each task must beat."""


def gate_names(task: Task) -> tuple[str, ...]:
    """Names of the gates of a task, in the order in which they are judged."""
    better = tuple(f"better_than_{name}" for name in BASELINES[task])
    return (*better, "not_worse_than_production", "no_leak", "finite_predictions")
