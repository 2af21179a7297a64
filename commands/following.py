"""Follows a run on the platform to its end, and tells its steps as lines on a terminal."""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from commands.console import say
from commands.failures import FAILED_CHECK, RunFailedError
from commands.platform import ENDED, POLL_SECONDS, News, Platform, PlatformError
from commands.steps import print_step

RETRIED_AS = "dagster/auto_retry_run_id"
WILL_RETRY = "dagster/will_retry"
PATIENCE_SECONDS = 60
"""How long the webserver may be away while a run is followed."""
SILENCE_SECONDS = 8
"""How long a run waits in the queue before that is told."""


def run_page(platform: Platform, run: str) -> str:
    """Address of a run's page."""
    return platform.page(f"runs/{run}")


def follow(platform: Platform, run: str) -> None:
    """Prints the steps of a run as they end, and those of the run that Dagster retries it as.

    Ctrl-C cancels the run, and waits until it has ended.

    Raises:
        KeyboardInterrupt: The run was cancelled.
        RunFailedError: The run failed or was cancelled.
        PlatformError: The webserver is away for too long.
    """
    try:
        news = _follow(platform, run)
        while news.status == "FAILURE" and (retry := _retry_of(platform, run, news)):
            say(f"  the run broke off; Dagster tries once more: {run_page(platform, retry)}")
            run = retry
            news = _follow(platform, run)
    except KeyboardInterrupt:
        news = _cancelled(platform, run)
        if news.status != "SUCCESS":
            raise
        say("  the run had ended before it could be stopped")
    if news.status != "SUCCESS":
        raise RunFailedError(f"the run ended as {news.status.lower()}: {run_page(platform, run)}")


def _cancelled(platform: Platform, run: str) -> News:
    """The last news of a run that is asked to end."""
    say("  stopping the run")
    platform.cancel(run)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (news := _patiently(platform, run, None)).status not in ENDED:
        if time.monotonic() > deadline:
            raise PlatformError(f"the run has not stopped yet; see {run_page(platform, run)}")
        time.sleep(POLL_SECONDS)
    return news


def _retry_of(platform: Platform, run: str, news: News) -> str | None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while news.tags.get(WILL_RETRY) == "true" and time.monotonic() < deadline:
        if RETRIED_AS in news.tags:
            return news.tags[RETRIED_AS]
        time.sleep(POLL_SECONDS)
        news = _patiently(platform, run, news.cursor)
    return None


@dataclass
class Steps:
    """What is known of the steps of a run, from its events."""

    started: dict[str, float] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)

    def tell(self, event: Mapping[str, Any]) -> None:
        """Takes an event; prints a line where a step or the wait for the container ends."""
        kind, seconds = event["__typename"], float(event.get("timestamp", 0)) / 1000
        step = (event.get("stepKey") or "run").split("__", 1)[-1]
        if kind in {"RunEnqueuedEvent", "ExecutionStepStartEvent"}:
            self.started["container" if kind == "RunEnqueuedEvent" else step] = seconds
        elif kind == "RunStartEvent":
            self._end("container", "started", seconds)
        elif kind == "ExecutionStepSuccessEvent":
            self._end(step, "done", seconds)
        elif kind in {"ExecutionStepFailureEvent", "RunFailureEvent"}:
            self._end(step, "failed", seconds)
            self.reasons += [] if step == "run" and self.reasons else _reasons(step, event)
        elif kind == "AssetCheckEvaluationEvent":
            self.reasons += _failed_gate(event["evaluation"])

    def _end(self, step: str, outcome: str, seconds: float) -> None:
        if step in self.started:
            print_step(step, outcome, seconds=seconds - self.started.pop(step))


def _follow(platform: Platform, run: str) -> News:
    """Follows one run to its end.

    Raises:
        RunFailedError: It failed in a step that says why.
    """
    steps = Steps()
    news = _patiently(platform, run, None)
    patience = time.monotonic() + SILENCE_SECONDS
    while True:
        if news.status == "QUEUED" and time.monotonic() > patience:
            say("  waits in the queue: runs of one model come one after the other")
            patience = math.inf
        for event in news.events:
            steps.tell(event)
        if news.status in ENDED and not news.events:
            break
        time.sleep(POLL_SECONDS)
        news = _patiently(platform, run, news.cursor)
    if steps.reasons and news.tags.get(WILL_RETRY) != "true" and news.status != "SUCCESS":
        raise RunFailedError("\n".join([*steps.reasons, f"({run_page(platform, run)})"]))
    return news


def _patiently(platform: Platform, run: str, cursor: str | None) -> News:
    """The news of a run, also from a webserver that is away for a moment."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return platform.news(run, after=cursor)
        except PlatformError:
            if time.monotonic() > deadline:
                raise
        time.sleep(POLL_SECONDS)


def _reasons(step: str, event: Mapping[str, Any]) -> Iterator[str]:
    told, error = event.get("failureMetadata"), event.get("error")
    if told and told["description"]:
        yield f"{step}: {told['description']}"
    elif error and FAILED_CHECK not in error["message"]:
        yield f"{step}: {[error, *error['causes']][-1]['message'].strip()}"


def _failed_gate(evaluation: Mapping[str, Any]) -> Iterator[str]:
    if not evaluation["success"] and evaluation["severity"] == "ERROR":
        yield f"{evaluation['checkName']}: {evaluation['description']}"
