"""A load generator for one HTTP address of this machine: few clients, exact times, no libraries.

Clients keep their connections. In a closed loop each of them asks again as soon as it has its
answer; at a rate, requests fall due at even distances, and a request's time counts from when it was
due, so that waiting for a free client is part of it.
"""

import selectors
import socket
import time
from collections import Counter, deque
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Load:
    """What came of a load.

    Attributes:
        seconds: How long it lasted.
        latencies: (n,) seconds of each answered request.
        statuses: How many answers had which HTTP status.
        errors: Requests that got no answer.
    """

    seconds: float
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
    selector = selectors.DefaultSelector()
    free = deque(_Client(address) for _ in range(clients))
    for client in free:
        selector.register(client.socket, selectors.EVENT_READ, client)
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    errors = 0
    begin = time.perf_counter()
    end, sent = begin + seconds, 0
    while True:
        now = time.perf_counter()
        while free and now < end:
            due = now if rate is None else begin + sent / rate
            if due > now:
                break
            client = free.popleft()
            client.due = due
            client.socket.sendall(request)
            sent += 1
        if now >= end and (len(free) == clients or now > end + 10):
            break
        wait = 0.2 if rate is None or not free else max(0.0, begin + sent / rate - now)
        for key, _ in selector.select(min(wait, max(0.0, end - now) + 0.01)):
            client = key.data
            try:
                status = client.answer()
            except OSError:
                errors += 1
                selector.unregister(client.socket)
                client.socket.close()
                client = _Client(address)
                selector.register(client.socket, selectors.EVENT_READ, client)
                free.append(client)
                continue
            if status is not None:
                latencies.append(time.perf_counter() - client.due)
                statuses[status] += 1
                free.append(client)
    for client in free:
        client.socket.close()
    return Load(time.perf_counter() - begin, np.array(latencies), statuses, errors)
