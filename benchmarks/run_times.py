"""When things happened in a run of the platform, from the events that Dagster keeps of it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from commands.platform import Platform
from serving.runtime.errors import MLAssetsError

Event = Mapping[str, Any]

START, SUCCESS = "ExecutionStepStartEvent", "ExecutionStepSuccessEvent"
_EVENTS = """query($run: ID!, $cursor: String) { logsForRun(runId: $run, afterCursor: $cursor) {
  ... on EventConnection { cursor hasMore events { __typename
    ... on MessageEvent { timestamp stepKey }
    ... on MaterializationEvent { metadataEntries { label
      ... on FloatMetadataEntry { floatValue } ... on IntMetadataEntry { intValue } } } } }
  ... on Error { message } } }"""


class UnfinishedRunError(MLAssetsError):
    """A run lacks an event that a successful one has."""


@dataclass(frozen=True)
class Span:
    """From one moment to another, in seconds since 1970."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.end - self.start


@dataclass(frozen=True)
class RunTimes:
    """A successful run.

    Attributes:
        queue: From its request to the start of its work.
        steps: Each of its steps, in their order; assets without their model's name.
        figures: The numbers that each step noted of its asset, by their label.
    """

    queue: Span
    steps: Mapping[str, Span]
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def work(self) -> Span:
        """From the start of the first step to the end of the last one."""
        spans = self.steps.values()
        return Span(min(span.start for span in spans), max(span.end for span in spans))

    @property
    def parts(self) -> dict[str, float]:
        """Seconds of every part, from the request to the end of the last step."""
        steps = {name: span.seconds for name, span in self.steps.items()}
        return {
            "enqueued to started": self.queue.seconds,
            "started to first step": self.work.start - self.queue.end,
            **steps,
            "between steps": self.work.seconds - sum(steps.values()),
        }


def run_times(platform: Platform, run: str) -> RunTimes:
    """The times of a run that has succeeded.

    Raises:
        PlatformError: The webserver is out of reach, or knows no such run.
        UnfinishedRunError: The run did not start, or did nothing.
    """
    return read_times([*_events(platform, run)])


def read_times(events: Iterable[Event]) -> RunTimes:
    """The times of a run, from all its events.

    Raises:
        UnfinishedRunError: One of the events that every successful run has is missing.
    """
    moments: dict[tuple[str, str], float] = {}
    figures: dict[str, Mapping[str, float]] = {}
    for event in events:
        kind, step = event["__typename"], _step(event)
        moments.setdefault((kind, step), float(event.get("timestamp", 0)) / 1000)
        if kind == "MaterializationEvent":
            figures[step] = _numbers(event["metadataEntries"])
    try:
        queue = Span(moments["RunEnqueuedEvent", ""], moments["RunStartEvent", ""])
        started = (step for kind, step in moments if kind == START)
        steps = {step: Span(moments[START, step], moments[SUCCESS, step]) for step in started}
    except KeyError as error:
        raise UnfinishedRunError(f"the run has no event {error}; see it in Dagster's UI") from error
    if not steps:
        raise UnfinishedRunError("the run has no steps; see it in Dagster's UI")
    return RunTimes(queue, steps, figures)


def _events(platform: Platform, run: str) -> Iterator[Event]:
    cursor, has_more = None, True
    while has_more:
        page = platform.ask(_EVENTS, {"run": run, "cursor": cursor})["logsForRun"]
        if "events" not in page:
            raise UnfinishedRunError(f"run {run} can't be read: {page['message']}")
        yield from page["events"]
        cursor, has_more = page["cursor"], page["hasMore"]


def _step(event: Event) -> str:
    """The asset that an event is about, without its model's name; nothing if it is the run."""
    return str(event.get("stepKey") or "").rpartition("__")[2]


def _numbers(entries: Iterable[Event]) -> dict[str, float]:
    values = {entry["label"]: entry.get("floatValue", entry.get("intValue")) for entry in entries}
    return {label: float(value) for label, value in values.items() if value is not None}
