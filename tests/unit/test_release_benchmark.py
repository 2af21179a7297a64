"""What the benchmark of releases reads from events and from the output of builds."""

import pytest

from benchmarks.image_sizes import IMAGES, budgets
from benchmarks.peer_images import base_of, last_error
from benchmarks.run_times import Event, Span, UnfinishedRunError, read_times

BUILD = """
#1 [internal] load build definition from Dockerfile
#5 [base-container 1/9] FROM docker.io/library/python:3.11-slim@sha256:0123
#5 DONE 0.1s
#6 [2/9] RUN conda
ERROR: failed to solve: ubuntu:22.04: failed to resolve source metadata
something else
"""


def event(kind: str, second: float, step: str | None = None, **more: object) -> Event:
    return {"__typename": kind, "timestamp": str(1000 * second), "stepKey": step, **more}


EVENTS = [
    event("RunEnqueuedEvent", 10.0),
    event("RunStartEvent", 13.5),
    event("ExecutionStepStartEvent", 15.0, "iris__dataset"),
    event("ExecutionStepSuccessEvent", 16.0, "iris__dataset"),
    event("ExecutionStepStartEvent", 16.25, "parity"),
    event(
        "MaterializationEvent",
        17.0,
        "parity",
        metadataEntries=[
            {"label": "seconds", "floatValue": 0.5},
            {"label": "requests", "intValue": 500},
            {"label": "image"},
        ],
    ),
    event("ExecutionStepSuccessEvent", 17.25, "parity"),
]


class TestTimesOfARun:
    def test_it_waits_from_its_request_to_its_start(self) -> None:
        assert read_times(EVENTS).queue == Span(10.0, 13.5)

    def test_steps_are_named_after_their_assets(self) -> None:
        assert read_times(EVENTS).steps == {"dataset": Span(15, 16), "parity": Span(16.25, 17.25)}

    def test_parts_add_up_from_the_request_to_the_end_of_the_last_step(self) -> None:
        assert sum(read_times(EVENTS).parts.values()) == pytest.approx(17.25 - 10)

    def test_numbers_of_an_asset_are_kept_and_texts_are_not(self) -> None:
        assert read_times(EVENTS).figures == {"parity": {"seconds": 0.5, "requests": 500.0}}

    @pytest.mark.parametrize("missing", ["RunEnqueuedEvent", "RunStartEvent"])
    def test_a_run_that_did_not_start_is_refused(self, missing: str) -> None:
        with pytest.raises(UnfinishedRunError, match=missing):
            read_times([event for event in EVENTS if event["__typename"] != missing])

    def test_a_step_that_did_not_succeed_is_refused(self) -> None:
        with pytest.raises(UnfinishedRunError, match="SuccessEvent"):
            read_times(EVENTS[:-1])

    def test_a_run_without_steps_is_refused(self) -> None:
        with pytest.raises(UnfinishedRunError, match="no steps"):
            read_times(EVENTS[:2])


class TestBuildsOfPeers:
    def test_the_base_is_the_first_image_that_the_build_starts_from(self) -> None:
        assert base_of(BUILD) == "python:3.11-slim"

    def test_a_build_that_did_not_start_has_no_base(self) -> None:
        assert base_of("no engine") == ""

    def test_the_reason_of_a_failure_is_what_buildkit_says(self) -> None:
        found = last_error(BUILD)
        assert found == "ubuntu:22.04: failed to resolve source metadata"

    @pytest.mark.parametrize(("output", "said"), [("a\nb\n\n", "b"), ("", "it printed nothing")])
    def test_without_that_it_is_the_last_line(self, output: str, said: str) -> None:
        assert last_error(output) == said


def test_budgets_are_those_of_the_build_script() -> None:
    found = budgets()
    assert (found["train"], found["serve"]) == (1_200_000_000, 250_000_000)
    assert set(IMAGES) <= set(found)
