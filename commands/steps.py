"""Steps as lines on a terminal: what is done now, how it ended, and how long it took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.text import Text

from commands.console import PROGRESS, say


@contextmanager
def progress(step: str, doing: str) -> Iterator[None]:
    """Shows what is done now, and prints a line for it at its end, as for a step of a run."""
    started = time.monotonic()
    outcome = "failed"
    try:
        with PROGRESS.status(Text(step_line(step, doing))):
            yield
        outcome = "done"
    except KeyboardInterrupt:
        outcome = "stopped"
        raise
    finally:
        print_step(step, outcome, seconds=time.monotonic() - started)


def print_step(step: str, outcome: str, *, seconds: float) -> None:
    """Prints how a step ended and how long it took."""
    say(f"  {step_line(step, outcome)}  {seconds:6.1f} s")


def step_line(step: str, text: str) -> str:
    """A step's name and what is said of it, in columns."""
    return f"{step:16} {text}"
