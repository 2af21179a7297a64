"""What becomes of requests when the service is told to stop, loses a worker, or has too many."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from typing import Any

import psutil
import pytest

from serving.release.probe import HOST, Service, serve_bento
from serving.runtime.served import ServedModel
from tests.integration.served import (
    JSON,
    PATIENCE_SECONDS,
    Packaged,
    await_that,
    connect,
    get,
    post,
    workers,
)
from tests.unit.http_cases import figure

CLIENTS = 6

# A client that ends with an error has seen an answer that is none.
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")


@pytest.fixture
def service(flower: Packaged, request: Any) -> Iterator[Service]:
    with serve_bento(flower.bento.tag, bento_home=flower.home, settings=request.param) as service:
        yield service


def with_settings(**settings: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("service", [settings], indirect=True, ids=[""])


ROWS = {"length": [0.1, 1.2, -0.3], "width": [2.0, 0.5, 0.9]}


@pytest.fixture(scope="module")
def answer(flower: Packaged) -> Any:
    """What each request must be answered."""
    return json.loads(json.dumps(ServedModel.load(flower.model_dir, version="3").answer(ROWS)))


class Client(threading.Thread):
    """Asks one request over and over again, until its connection ends or it is told to stop."""

    def __init__(self, service: Service, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._service, self._stop_asking = service, stop
        self.answers: list[tuple[int, Any]] = []
        self.broken = 0

    def run(self) -> None:
        while not self._stop_asking.is_set():
            with closing(connect(self._service)) as connection:
                self._ask_on(connection)

    def _ask_on(self, connection: HTTPConnection) -> None:
        try:
            while not self._stop_asking.is_set():
                self.answers.append(post(connection, {"data": ROWS}))
                if connection.sock is None:  # the answer said "Connection: close"
                    self._stop_asking.wait(0.01)
                    return
        except (OSError, HTTPException):
            self.broken += 1
            self._stop_asking.wait(0.01)


class PoliteClient(Client):
    """Comes back no more once it is told that its connection ends, as a load balancer does."""

    def run(self) -> None:
        with closing(connect(self._service)) as connection:
            self._ask_on(connection)


@contextmanager
def asking(kind: type[Client], service: Service) -> Iterator[list[Client]]:
    """Clients that have had an answer, and ask until the block ends."""
    stop = threading.Event()
    clients = [kind(service, stop) for _ in range(CLIENTS)]
    try:
        for client in clients:
            client.start()
        await_that(lambda: all(client.answers for client in clients), what="each has an answer")
        yield clients
    finally:
        stop.set()
        for client in clients:
            client.join(PATIENCE_SECONDS)


@with_settings(WORKERS="2")
def test_no_request_is_lost_when_the_service_is_told_to_stop(service: Service, answer: Any) -> None:
    with asking(PoliteClient, service) as clients:
        service.process.terminate()
        for client in clients:
            client.join(PATIENCE_SECONDS)
            assert not client.is_alive()
            assert client.broken == 0
            assert all(found == (200, answer) for found in client.answers)
    assert service.process.wait(PATIENCE_SECONDS) == 0
    assert '"level": "error"' not in service.log.read_text()


@with_settings()
def test_a_request_that_is_still_arriving_when_the_service_is_told_to_stop_is_answered(
    service: Service, answer: Any
) -> None:
    body = json.dumps({"data": ROWS}).encode()
    with closing(connect(service)) as connection:
        connection.putrequest("POST", "/predict")
        for name, value in {**JSON, "Content-Length": str(len(body))}.items():
            connection.putheader(name, value)
        connection.endheaders(body[:5])
        await_that(lambda: in_progress(service), what="the request is in hand")
        service.process.terminate()
        time.sleep(2)
        connection.send(body[5:])
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())) == (200, answer)


def in_progress(service: Service) -> float:
    with closing(connect(service)) as connection:
        return figure(get(connection, "/metrics"), "http_requests_in_progress")


@with_settings()
def test_a_service_that_is_told_to_stop_says_that_it_is_not_ready(service: Service) -> None:
    assert "ready" in readiness(service)
    service.process.terminate()
    await_that(lambda: "about to end" in readiness(service), what="the service is not ready")


def readiness(service: Service) -> str:
    with closing(connect(service)) as connection:
        return get(connection, "/readyz")


@with_settings(WORKERS="2")
def test_a_killed_worker_gives_no_wrong_answer_and_is_replaced(
    service: Service, answer: Any
) -> None:
    old = workers(service)
    with asking(Client, service) as clients:
        kill(old[0])
        await_that(lambda: len({*workers(service)} - {*old}), what="a new worker starts")
        kill(old[1])
        await_that(service.is_ready, what="new workers answer")
        with closing(connect(service)) as connection:
            assert post(connection, {"data": ROWS}) == (200, answer)
    assert all(found == (200, answer) for client in clients for found in client.answers)
    for worker in old:
        told = f"worker {worker.pid} has died (signal 9)"
        await_that(lambda told=told: told in service.log.read_text(), what=told)


def kill(worker: psutil.Process) -> None:
    worker.kill()
    worker.wait(PATIENCE_SECONDS)


@with_settings(WORKERS="2")
def test_what_a_killed_worker_had_in_hand_is_not_counted_for_ever(service: Service) -> None:
    with closing(connect(service)) as connection:
        connection.putrequest("POST", "/predict")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "100")
        connection.endheaders(b"{")
        await_that(lambda: in_progress(service), what="the request is in hand")
        for worker in workers(service):
            kill(worker)
        await_that(service.is_ready, what="new workers answer")
        assert in_progress(service) == 0


@with_settings(MAX_CONCURRENCY="2")
def test_one_request_more_than_the_limit_is_refused_at_once(service: Service, answer: Any) -> None:
    body = json.dumps({"data": ROWS}).encode()
    held = [connect(service) for _ in range(2)]
    for connection in held:
        connection.putrequest("POST", "/predict")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:5])
    await_that(lambda: in_progress(service) == 2, what="both requests are in hand")
    with closing(connect(service)) as another:
        another.request("POST", "/predict", body, JSON)
        response = another.getresponse()
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
        assert "2 requests in hand" in json.loads(response.read())["error"]
    for connection in held:
        connection.send(body[5:])
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())) == (200, answer)
        connection.close()
    with closing(connect(service)) as another:
        assert post(another, {"data": ROWS}) == (200, answer)


@with_settings()
def test_a_head_tells_what_a_get_tells_without_its_body(service: Service) -> None:
    (head, no_body), (told, body) = (on_the_wire(service, method) for method in ("HEAD", "GET"))
    assert head == told
    assert head[0] == "HTTP/1.1 200 OK"
    assert f"content-length: {len(body)}" in head
    assert (no_body, json.loads(body)["status"]) == (b"", "ok")


def on_the_wire(service: Service, method: str) -> tuple[list[str], bytes]:
    """The status and headers of /health, but for the time of the answer, and all that follows."""
    lines = (f"{method} /health HTTP/1.1", "Host: a", "X-Request-ID: b", "Connection: close")
    with socket.create_connection((HOST, service.port), PATIENCE_SECONDS) as connection:
        connection.sendall("\r\n".join((*lines, "", "")).encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    told = [line for line in head.decode().split("\r\n") if not line.startswith("date:")]
    return told, body
