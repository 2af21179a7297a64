"""A load generator for one HTTP address of this machine: few clients, exact times, no libraries.

Clients keep their connections. In a closed loop each of them asks again as soon as it has its
answer; at a rate, requests fall due at even distances, and a request's time counts from when it was
due, so that waiting for a free client is part of it.
"""

import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

LONGEST_WAIT = 0.2
PATIENCE_SECONDS = 10.0
"""How long the answers of the last requests are waited for."""


@dataclass(frozen=True)
class Load:
    """What came of a load.

    Attributes:
        seconds: How long it lasted.
        cpu_seconds: What the load generator itself computed in that time.
        latencies: (n,) seconds of each answered request.
        statuses: How many answers had which HTTP status.
        errors: Requests that got no answer.
    """

    seconds: float
    cpu_seconds: float
    latencies: np.ndarray[tuple[int], np.dtype[np.float64]]
    statuses: Counter[int]
    errors: int

    @property
    def rate(self) -> float:
        """Answered requests per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency in seconds that ``share`` percent of the requests stay below."""
        return float(np.percentile(self.latencies, share)) if len(self.latencies) else float("nan")


class _Client:
    """One connection, and the request that is under way on it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.due = 0.0

    def answer(self) -> int | None:
        """Reads what has come; the status once the answer is whole.

        Raises:
            ConnectionError: The other side has hung up.
        """
        part = self.socket.recv(1 << 18)
        if not part:
            raise ConnectionError("the service hung up")
        self.received += part
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return None
        lower = head.lower()
        start = lower.index(b"content-length:") + len(b"content-length:")
        if len(body) < int(lower[start:].split(b"\r\n", 1)[0]):
            return None
        self.received = b""
        return int(head[9:12])


class _Clients:
    """Clients that send one request over and over again, and what they got."""

    def __init__(self, address: tuple[str, int], request: bytes, *, count: int) -> None:
        self._address = address
        self._request = request
        # epoll waits for whole milliseconds only, longer than many an answer takes.
        self._selector = selectors.SelectSelector()
        self.free: deque[_Client] = deque()
        self.under_way = 0
        self.latencies: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.errors = 0
        for _ in range(count):
            self._connect()

    def _connect(self) -> None:
        client = _Client(self._address)
        self._selector.register(client.socket, selectors.EVENT_READ, client)
        self.free.append(client)

    def _disconnect(self, client: _Client) -> None:
        self._selector.unregister(client.socket)
        client.socket.close()

    def send(self, *, due: float) -> None:
        """Sends the request that was due at a time, by a client that is free."""
        client = self.free.popleft()
        client.due = due
        self.under_way += 1
        try:
            client.socket.sendall(self._request)
        except OSError:
            self._fail(client)

    def receive(self, *, wait: float) -> None:
        """Takes the answers that are there; the first is waited for so many seconds."""
        for key, _ in self._selector.select(wait):
            try:
                status = key.data.answer()
            except OSError:
                self._fail(key.data)
                continue
            if status is not None:
                self._finish(key.data, status)

    def _finish(self, client: _Client, status: int) -> None:
        self.latencies.append(time.perf_counter() - client.due)
        self.statuses[status] += 1
        self.under_way -= 1
        self.free.append(client)

    def _fail(self, client: _Client) -> None:
        """Counts a request as lost; another client takes the place of the one that sent it."""
        self.errors += 1
        self.under_way -= 1
        self._disconnect(client)
        self._connect()

    def close(self) -> None:
        """Hangs up; what is still under way is lost."""
        self.errors += self.under_way
        for key in [*self._selector.get_map().values()]:
            self._disconnect(key.data)
        self._selector.close()


@contextmanager
def _connected(address: tuple[str, int], request: bytes, *, count: int) -> Iterator[_Clients]:
    clients = _Clients(address, request, count=count)
    try:
        yield clients
    finally:
        clients.close()


def request_bytes(path: str, body: bytes, *, kind: str = "application/json") -> bytes:
    """A POST request, as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def run_load(
    address: tuple[str, int],
    request: bytes,
    *,
    clients: int,
    seconds: float,
    rate: float | None = None,
) -> Load:
    """Sends one request over and over again.

    Args:
        address: Where the service listens.
        request: What is sent each time.
        clients: Connections.
        seconds: How long.
        rate: Requests per second; None for a closed loop.
    """
    with _connected(address, request, count=clients) as them:
        begin, cpu_begin = time.perf_counter(), time.process_time()
        if rate is None:
            _ask_in_a_loop(them, end=begin + seconds)
        else:
            _ask_at(rate, them, begin=begin, seconds=seconds)
        _await_last(them)
        took, cpu_took = time.perf_counter() - begin, time.process_time() - cpu_begin
    return Load(took, cpu_took, np.array(them.latencies), them.statuses, them.errors)


def _ask_in_a_loop(clients: _Clients, *, end: float) -> None:
    while (now := time.perf_counter()) < end:
        for _ in range(len(clients.free)):
            clients.send(due=time.perf_counter())
        clients.receive(wait=min(LONGEST_WAIT, end - now))


def _ask_at(rate: float, clients: _Clients, *, begin: float, seconds: float) -> None:
    """Requests that found no free client in time are sent late; those never sent are lost."""
    dues = deque(begin + number / rate for number in range(round(rate * seconds)))
    end = begin + seconds + PATIENCE_SECONDS
    while dues and (now := time.perf_counter()) < end:
        while dues and clients.free and dues[0] <= now:
            clients.send(due=dues.popleft())
        next_due = dues[0] if dues and clients.free else end
        clients.receive(wait=min(LONGEST_WAIT, max(0.0, next_due - time.perf_counter())))
    clients.errors += len(dues)


def _await_last(clients: _Clients) -> None:
    end = time.perf_counter() + PATIENCE_SECONDS
    while clients.under_way and time.perf_counter() < end:
        clients.receive(wait=LONGEST_WAIT)
