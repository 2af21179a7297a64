"""What becomes of requests when the service is told to stop, loses a worker, or has too many."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from serving.release.packaging import BuiltBento, build_bento
from serving.release.probe import Service, serve_bento
from serving.runtime.served import ServedModel
from tests.integration.served import JSON, connect, figure, get, post, workers
from tests.unit.request_cases import write_classifier

PATIENCE_SECONDS = 60
CLIENTS = 6


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models") / "flower"
    write_classifier(directory)
    return directory


@pytest.fixture(scope="module")
def bento_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bentoml")


@pytest.fixture(scope="module")
def bento(model_dir: Path, bento_home: Path) -> BuiltBento:
    return build_bento(model_dir, version="3", bento_home=bento_home)


@pytest.fixture
def service(bento: BuiltBento, bento_home: Path, request: Any) -> Iterator[Service]:
    with serve_bento(bento.tag, bento_home=bento_home, settings=request.param) as service:
        yield service


def with_settings(**settings: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("service", [settings], indirect=True, ids=[""])


ROWS = {"length": [0.1, 1.2, -0.3], "width": [2.0, 0.5, 0.9]}


@pytest.fixture(scope="module")
def answer(model_dir: Path) -> Any:
    """What each request must be answered."""
    return json.loads(json.dumps(ServedModel.load(model_dir, version="3").answer(ROWS)))


class Client(threading.Thread):
    """Asks one request over and over again, until its connection ends or it is told to stop."""

    def __init__(self, service: Service, stop: threading.Event) -> None:
        super().__init__()
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


class PoliteClient(Client):
    """Comes back no more once it is told that its connection ends, as a load balancer does."""

    def run(self) -> None:
        with closing(connect(self._service)) as connection:
            self._ask_on(connection)


def started(kind: type[Client], service: Service, stop: threading.Event) -> list[Client]:
    clients = [kind(service, stop) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    while not all(client.answers for client in clients):
        time.sleep(0.01)
    return clients


@with_settings(WORKERS="2")
def test_no_request_is_lost_when_the_service_is_told_to_stop(service: Service, answer: Any) -> None:
    clients = started(PoliteClient, service, threading.Event())
    service.process.terminate()
    for client in clients:
        client.join(PATIENCE_SECONDS)
        assert not client.is_alive()
        assert client.broken == 0
        assert all(found == (200, answer) for found in client.answers)
    assert service.process.wait(PATIENCE_SECONDS) == 0


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
        while not in_progress(service):
            time.sleep(0.01)
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
    with closing(connect(service)) as connection:
        assert "ready" in get(connection, "/readyz")
        service.process.terminate()
        said = ""
        while "about to end" not in said:
            said = get(connection, "/readyz")
            connection.close()


@with_settings(WORKERS="2")
def test_a_killed_worker_gives_no_wrong_answer_and_is_replaced(
    service: Service, answer: Any
) -> None:
    stop = threading.Event()
    clients = started(Client, service, stop)
    before = {worker.pid for worker in workers(service)}
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len({worker.pid for worker in workers(service)} - {killed}) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stop.set()
    for client in clients:
        client.join(PATIENCE_SECONDS)
        assert all(found == (200, answer) for found in client.answers)
    with suppress(OSError), closing(connect(service)) as connection:
        assert post(connection, {"data": ROWS}) == (200, answer)


@with_settings(WORKERS="2")
def test_what_a_killed_worker_had_in_hand_is_not_counted_for_ever(service: Service) -> None:
    with closing(connect(service)) as connection:
        connection.putrequest("POST", "/predict")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "100")
        connection.endheaders(b"{")
        while not in_progress(service):
            time.sleep(0.01)
        for worker in workers(service):
            os.kill(worker.pid, signal.SIGKILL)
        while not service.is_ready():
            time.sleep(0.05)
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
    while in_progress(service) < 2:
        time.sleep(0.01)
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
