"""Dagster's events as lines on a terminal: what runs now, and how long each step took."""

import logging
import time
from typing import Any

import dagster as dg
from rich.status import Status
from rich.text import Text

from commands.console import PROGRESS
from commands.steps import print_step, step_line
from ml_assets.resources.interrupts import DAGSTERS_INTERRUPT


class StepLines(logging.Handler):
    """Prints a line for each finished step, and shows the running one with its last message."""

    def __init__(self, least: int) -> None:
        """Starts without a step; messages below the level ``least`` are not shown."""
        super().__init__(logging.DEBUG)  # the level of a step's beginning and end
        self._least = least
        self._step = ""
        self._started = 0.0
        self._status = Status("", console=PROGRESS)

    def emit(self, record: logging.LogRecord) -> None:
        """Takes one of Dagster's records: an event of a step, or a message."""
        event: Any = getattr(record, "dagster_event", None)
        if event is None:
            self._note(record)
        elif event.is_step_start:
            self._begin(event.step_key.split("__", 1)[-1])
        elif event.is_step_success:
            self._end("done")
        elif event.is_step_failure:
            self._end("stopped" if _is_interrupted(event) else "failed")

    def close(self) -> None:
        """Takes the running step's line off the terminal."""
        self._status.stop()
        super().close()

    def _note(self, record: logging.LogRecord) -> None:
        message = getattr(record, "dagster_meta", {}).get("orig_message") or record.getMessage()
        if record.levelno >= self._least:
            self._show(message)

    def _begin(self, step: str) -> None:
        self._step, self._started = step, time.monotonic()
        self._show("")
        self._status.start()

    def _show(self, message: str) -> None:
        if self._step:
            self._status.update(
                Text(step_line(self._step, message.splitlines()[-1] if message else ""))
            )

    def _end(self, outcome: str) -> None:
        self._status.stop()
        print_step(self._step, outcome, seconds=time.monotonic() - self._started)
        self._step = ""


def _is_interrupted(event: Any) -> bool:
    error = event.step_failure_data.error
    return error is not None and error.cls_name == DAGSTERS_INTERRUPT


@dg.logger(
    config_schema={"log_level": dg.Field(str, default_value="INFO")},
    description="Steps and their progress as lines on a terminal.",
)
def step_lines(context: dg.InitLoggerContext) -> logging.Logger:
    """The logger that a job's run is given in place of Dagster's console logger."""
    logger = logging.Logger("ml_assets.steps")  # noqa: LOG001  its own, or handlers would add up
    level = context.logger_config["log_level"]
    logger.addHandler(StepLines(logging.getLevelNamesMapping().get(level.upper(), logging.INFO)))
    return logger
