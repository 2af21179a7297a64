"""A worker that has died is replaced within a second or so, where BentoML takes up to ten."""

from typing import Any

from bentoml._internal.utils import circus

SECONDS = 0.5
"""How long the process above the workers waits until it looks at them again."""


class VigilantArbiter(circus.Arbiter):
    """The process above the workers, which looks at them often."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Takes what BentoML gives, but for the time between two looks."""
        super().__init__(*arguments, **{**options, "check_delay": SECONDS})


def watch_closely() -> None:
    """Lets BentoML start that process instead of its own; there is no setting for it."""
    setattr(circus, circus.Arbiter.__name__, VigilantArbiter)
