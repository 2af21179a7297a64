"""Our service in trouble: too many requests, a killed worker, and 100,000 requests in a row.

Run it with ``python -m benchmarks.endurance [--repeats 5]``. Refusals are timed while one client
holds the only request that the service takes and 16 others ask; a kill until it answers again.
"""

import argparse
import json
import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.load import Load, request_bytes, run_load
from benchmarks.servers import ServerError
from benchmarks.subjects import Data, Subject, rows_subject
from benchmarks.tables import Row, median_and_range, table, verdict
from serving.release.probe import HOST, Service, serve_bento

REQUESTS, WARM_UP = 100_000, 10_000
REFUSAL_MS, REPLACED_SECONDS, GROWTH = 50.0, 5.0, 1.05
SECONDS, POLL_SECONDS, STEADY_SECONDS = 2.0, 0.01, 2.0
PATIENCE_SECONDS = 60
WORKER = "_bentoml_impl.worker.service"
PATH = "/predict"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="kills, and loads of refusals")
    repeats = parser.parse_args(arguments).repeats
    with TemporaryDirectory() as home:
        subject = rows_subject(Path(home))
        rows = [
            _refusals(subject, repeats=repeats),
            _kills(subject, repeats=repeats),
            _growth(subject),
        ]
    print(*table("our service, one worker", ("", "median", "range", "target"), rows), sep="\n")


def _refusals(subject: Subject, *, repeats: int) -> Row:
    request = _request(subject.cases[0].data)
    times = []
    settings = {"MAX_CONCURRENCY": "1", "BODY_SECONDS": "3600"}
    with _served(subject, **settings) as service, _held(service, request):
        for _ in range(repeats):
            load = _answered(service, request, status=503)
            times.append(1000 * load.percentile(99))
    target = f"{REFUSAL_MS:g}: {verdict(max(times), REFUSAL_MS)}"
    return ("a request too many is refused, p99 ms, 16 clients", *median_and_range(times), target)


@contextmanager
def _held(service: Service, request: bytes) -> Iterator[None]:
    """A request that does not arrive to its end meanwhile."""
    with socket.create_connection((HOST, service.port)) as connection:
        connection.sendall(request[:-1])
        time.sleep(STEADY_SECONDS / 4)
        yield


def _kills(subject: Subject, *, repeats: int) -> Row:
    with _served(subject) as service:
        times = [_seconds_to_replace(service) for _ in range(repeats)]
    target = f"{REPLACED_SECONDS:g}: {verdict(max(times), REPLACED_SECONDS)}"
    return ("the only worker is killed, s until ready", *median_and_range(times), target)


def _seconds_to_replace(service: Service) -> float:
    time.sleep(STEADY_SECONDS)
    os.kill(_worker(service).pid, signal.SIGKILL)
    begin = time.perf_counter()
    while not service.is_ready():
        if time.perf_counter() - begin > PATIENCE_SECONDS:
            raise ServerError(f"no worker answers {PATIENCE_SECONDS} s after the kill")
        time.sleep(POLL_SECONDS)
    return time.perf_counter() - begin


def _growth(subject: Subject) -> Row:
    with _served(subject) as service:
        _send(service, subject, least=WARM_UP)
        before = _worker(service).memory_full_info().uss
        _send(service, subject, least=REQUESTS)
        growth = _worker(service).memory_full_info().uss / before
    target = f"{GROWTH:g}: {verdict(growth, GROWTH)}"
    return (f"memory after {REQUESTS:,} requests / before", f"{growth:.3f}", "", target)


def _send(service: Service, subject: Subject, *, least: int) -> None:
    """Sends a right and a wrong request in turn until so many were answered."""
    right = subject.cases[0].data
    wrong = {name: ["warm"] for name in right}
    answered = 0
    while answered < least:
        for data, status in ((right, 200), (wrong, 422)):
            answered += len(_answered(service, _request(data), status=status).latencies)


def _answered(service: Service, request: bytes, *, status: int) -> Load:
    """A load of 16 clients whose every request has this status.

    Raises:
        ServerError: One has another, or no answer.
    """
    load = run_load((HOST, service.port), request, clients=16, seconds=SECONDS)
    if set(load.statuses) != {status} or load.errors:
        raise ServerError(f"not all got {status}: {load.statuses}, {load.errors} without an answer")
    return load


def _request(data: Data) -> bytes:
    return request_bytes(PATH, json.dumps({"data": data}).encode())


@contextmanager
def _served(subject: Subject, **settings: str) -> Iterator[Service]:
    quiet = {"LOG_LEVEL": "warning", **settings}
    with serve_bento(subject.bento.tag, bento_home=subject.home, settings=quiet) as service:
        yield service


def _worker(service: Service) -> psutil.Process:
    """The one process that answers."""
    children = psutil.Process(service.process.pid).children(recursive=True)
    (worker,) = (child for child in children if WORKER in " ".join(child.cmdline()))
    return worker


if __name__ == "__main__":
    main()
