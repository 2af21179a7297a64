"""Rounds of `benchmarks.serving`: every server on the same model, one after another."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.contestants import CONTESTANTS, OURS, Contestant, check_answer
from benchmarks.load import Load, request_bytes, run_load
from benchmarks.servers import Memory, Server, ServerError, pinned, served
from benchmarks.subjects import Case, Subject
from serving.release.probe import HOST, free_ports

CLIENTS = (1, 16)
WARM_UP = 0.2
"""Share of a load's time that the same load lasts before it."""
SATURATED = 0.8
PACED_CLIENTS = 64
"""Connections of a load at a rate; more than ever wait at once."""


@dataclass(frozen=True)
class Machine:
    """Which cores servers and the load have, and how long a load lasts.

    Attributes:
        server: The core of all processes of a server; empty where the system pins none.
        load: The core of the load generator.
        seconds: Length of a load.
    """

    server: Sequence[int]
    load: Sequence[int]
    seconds: float


@dataclass(frozen=True)
class Timing:
    """A load and what it cost the server.

    Attributes:
        load: What came of it.
        cpu_seconds: What all processes of the server computed meanwhile. Other programs on the
            machine change it little.
    """

    load: Load
    cpu_seconds: float

    @property
    def cpu_milliseconds(self) -> float:
        """CPU time of a request."""
        return 1000 * self.cpu_seconds / len(self.load.latencies)


@dataclass(frozen=True)
class Figures:
    """What one server did in one round.

    Attributes:
        ready_seconds: From its start to its first answer.
        ready_cpu_seconds: What all its processes computed until then.
        timings: Those of each case and number of clients.
        paced: The first case at 80% of the rate at which it was saturated; for ours only.
        worker: Memory of the process that answers, after the loads.
        all: Memory of all its processes.
    """

    ready_seconds: float
    ready_cpu_seconds: float
    timings: Mapping[tuple[str, int], Timing]
    paced: Load | None
    worker: Memory
    all: Memory


Round = Mapping[str, Figures]


def measure_round(
    subject: Subject, machine: Machine, *, number: int
) -> Iterator[tuple[str, Figures]]:
    """Each server's name and figures; another one is the first in each round.

    Raises:
        ServerError: A server does not start, or refuses a request.
        UnequalAnswerError: A server answers with other numbers than the model.
    """
    order = deque(CONTESTANTS)
    order.rotate(-number)
    for contestant in order:
        yield contestant.name, _measure(contestant, subject, machine)


def _measure(contestant: Contestant, subject: Subject, machine: Machine) -> Figures:
    (port,) = free_ports(1)
    start = contestant.start(subject, port=port)
    with served(start, port=port, home=subject.home, cores=machine.server) as server:
        before = server.cpu_seconds()
        session = _Session(server, contestant, machine.seconds)
        session.check(subject.cases)
        with pinned(machine.load):
            timings = session.timings(subject.cases)
            paced = session.paced(subject.cases[0], timings) if contestant.name == OURS else None
        (worker,) = server.busiest(before, count=1)
        return Figures(
            ready_seconds=server.ready_seconds,
            ready_cpu_seconds=sum(before.values()),
            timings=timings,
            paced=paced,
            worker=Memory.of(worker),
            all=server.memory(),
        )


@dataclass(frozen=True)
class _Session:
    """A server while it is asked."""

    server: Server
    contestant: Contestant
    seconds: float

    def check(self, cases: Sequence[Case]) -> None:
        """Compares its answers with the model's."""
        for case in cases:
            content = self.server.post(self.contestant.path, self.contestant.request(case))
            check_answer(content, case.answer)

    def timings(self, cases: Sequence[Case]) -> dict[tuple[str, int], Timing]:
        """Loads of each case and number of clients, in a closed loop."""
        return {
            (case.name, clients): self._timing(case, clients=clients)
            for case in cases
            for clients in CLIENTS
        }

    def paced(self, case: Case, timings: Mapping[tuple[str, int], Timing]) -> Load:
        """A load of a case at 80% of the rate at which it was saturated."""
        rate = SATURATED * timings[case.name, max(CLIENTS)].load.rate
        return self._load(case, clients=PACED_CLIENTS, seconds=self.seconds, rate=rate)

    def _timing(self, case: Case, *, clients: int) -> Timing:
        self._load(case, clients=clients, seconds=WARM_UP * self.seconds)
        before = sum(self.server.cpu_seconds().values())
        load = self._load(case, clients=clients, seconds=self.seconds)
        return Timing(load, sum(self.server.cpu_seconds().values()) - before)

    def _load(self, case: Case, *, clients: int, seconds: float, rate: float | None = None) -> Load:
        """A load all of whose requests are answered well; a refusal is quick and proves nothing."""
        request = request_bytes(self.contestant.path, self.contestant.request(case))
        address = (HOST, self.server.port)
        load = run_load(address, request, clients=clients, seconds=seconds, rate=rate)
        if load.errors or set(load.statuses) != {200}:
            raise ServerError(
                f"{self.contestant.name}, {case.name}, {clients} clients: answers by status "
                f"{dict(load.statuses)}, {load.errors} requests without an answer"
            )
        return load
