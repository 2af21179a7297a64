"""Runs a piece of work in a process of its own, so that its time and peak memory are its own."""

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Given = TypeVar("Given")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Cost:
    """What a piece of work took.

    Attributes:
        seconds: On the clock on the wall.
        cpu_seconds: On all cores together; waiting for a busy machine does not count.
        peak_bytes: Most memory beyond what the process held after its imports.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int

    @classmethod
    def median(cls, costs: Sequence["Cost"]) -> "Cost":
        """The median of each figure."""
        return cls(
            seconds=statistics.median(cost.seconds for cost in costs),
            cpu_seconds=statistics.median(cost.cpu_seconds for cost in costs),
            peak_bytes=int(statistics.median(cost.peak_bytes for cost in costs)),
        )


def measured(
    work: Callable[[Given], Result], given: Given, *, warm_up: Given | None = None
) -> tuple[Result, Cost]:
    """What ``work(given)`` returns, and what it takes in a new process.

    Args:
        work: A function of a module, so that a new process finds it.
        given: Its argument.
        warm_up: A small argument; the work is done on it first, so that what is imported on the
            way counts neither as time nor as memory.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_timed, work, given, warm_up).result()


def _timed(
    work: Callable[[Given], Result], given: Given, warm_up: Given | None
) -> tuple[Result, Cost]:
    if warm_up is not None:
        work(warm_up)
    held, begin, cpu_begin = peak_memory(), time.perf_counter(), time.process_time()
    result = work(given)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu_begin
    return result, Cost(seconds, cpu_seconds, peak_memory() - held)


def peak_memory() -> int:
    """Most bytes that this process has held so far.

    Linux's ``ru_maxrss`` is no good here: a new process inherits it from the one that started it.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS
    kibibytes = next(
        line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:")
    )
    return int(kibibytes) * 1024
