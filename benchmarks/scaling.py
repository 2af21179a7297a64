"""How two workers of our service do beside one.

Two workers and the load need three cores. Where there are fewer, a load that shares the cores of
the workers would be measured with them. So each worker is held to a quarter of a core of its own by
a control group, with one worker and with two alike, which leaves the load more than it needs; the
rate is then a quarter of what cores of their own would give, and the ratio is theirs. All that
workers share stays in the figure: the socket, whose connections the kernel hands out unevenly, the
files of the metrics, the arbiter.

Where the system allows no control groups, the rate is requests per second of a worker's CPU time,
times the workers. That leaves out uneven connections, and the table says so.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import psutil

from benchmarks.contestants import CONTESTANTS, OURS
from benchmarks.load import request_bytes, run_load
from benchmarks.quota import QuotaError, limited
from benchmarks.servers import Server, ServerError, served
from benchmarks.subjects import Subject
from serving.release.probe import HOST, free_ports

SHARE = 0.25
CLIENTS = 32
QUIET_SECONDS, QUIET_CPU_SECONDS, PATIENCE_SECONDS = 0.5, 0.03, 30
HELD, COMPUTED = "each held to a quarter of a core", "by CPU seconds, no quota can be set"


@dataclass(frozen=True)
class Scaling:
    """Requests per second of one worker and of two.

    Attributes:
        one: Of one worker.
        two: Of two workers together.
        shares: Of the requests' CPU time of two workers, that of each.
        method: How it was measured.
    """

    one: float
    two: float
    shares: tuple[float, ...]
    method: str

    @property
    def ratio(self) -> float:
        """How many times one worker two of them are."""
        return self.two / self.one


def measure_scaling(subject: Subject, *, seconds: float, cores: Sequence[int]) -> Scaling:
    """Our service with one worker and with two, one after the other.

    Raises:
        ServerError: It does not start, or refuses a request.
    """
    (one, _, method), (two, shares, _) = (
        _measure(subject, workers=workers, seconds=seconds, cores=cores) for workers in (1, 2)
    )
    return Scaling(one, two, shares, method)


def _measure(
    subject: Subject, *, workers: int, seconds: float, cores: Sequence[int]
) -> tuple[float, tuple[float, ...], str]:
    """Requests per second, each worker's share in the work, and how it was measured."""
    (port,) = free_ports(1)
    (ours,) = (one for one in CONTESTANTS if one.name == OURS)
    start = ours.start(subject, port=port, WORKERS=str(workers))
    request = request_bytes(ours.path, ours.request(subject.cases[0]))
    with served(start, port=port, home=subject.home, cores=cores) as server, ExitStack() as stack:
        processes = _await_workers(server, workers)
        try:
            _hold(processes, cores, stack)
            method = HELD
        except QuotaError:
            stack.close()  # those that are held already would be measured beside free ones
            method = COMPUTED
        before = [*_cpu_seconds(processes)]
        load = run_load((HOST, port), request, clients=CLIENTS, seconds=seconds)
        after = [*_cpu_seconds(processes)]
    if load.errors or set(load.statuses) != {200}:
        raise ServerError(f"{workers} workers: {load.statuses}, {load.errors} without an answer")
    spent = [end - begin for begin, end in zip(before, after, strict=True)]
    shares = tuple(one / sum(spent) for one in spent)
    per_second = workers * len(load.latencies) / sum(spent) if method == COMPUTED else load.rate
    return per_second, shares, method


def _hold(processes: Sequence[psutil.Process], cores: Sequence[int], stack: ExitStack) -> None:
    if len(cores) < len(processes):
        raise QuotaError(f"{len(processes)} workers need a core each, but may use {len(cores)}")
    for process, core in zip(processes, cores, strict=False):
        stack.enter_context(limited(process, core=core, share=SHARE))


def _cpu_seconds(processes: Sequence[psutil.Process]) -> Iterator[float]:
    for process in processes:
        times = process.cpu_times()
        yield times.user + times.system


def _await_workers(server: Server, count: int) -> list[psutil.Process]:
    """The workers, once all of them have started: one that still starts computes.

    Raises:
        ServerError: They don't come to rest.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        before = server.cpu_seconds()
        time.sleep(QUIET_SECONDS)
        now = server.cpu_seconds()
        workers = sorted(set(now) - {server.process}, key=now.__getitem__)[-count:]
        if len(workers) == count and sum(now.values()) - sum(before.values()) < QUIET_CPU_SECONDS:
            return workers
    raise ServerError(f"{count} workers have not come to rest after {PATIENCE_SECONDS} s")
