"""What the benchmark of services relies on: its load generator, and its comparison of answers."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import psutil
import pytest

from benchmarks.contestants import UnequalAnswerError, check_answer
from benchmarks.load import request_bytes, run_load
from benchmarks.servers import stop
from serving.runtime.predict import Answer, EntityForecast

REQUEST = request_bytes("/predict", b"{}")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hangs_up = False

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.hangs_up:
            self.close_connection = True
            return
        # In one part: a second one would wait for the first to be confirmed.
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def listening(handler: type[Handler]) -> Iterator[tuple[str, int]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield ("127.0.0.1", server.server_port)
        finally:
            server.shutdown()
            thread.join()


class TestLoad:
    def test_every_answer_of_a_closed_loop_has_a_latency(self) -> None:
        with listening(Handler) as address:
            load = run_load(address, REQUEST, clients=2, seconds=0.2)
        assert load.statuses == {200: len(load.latencies)}
        assert (len(load.latencies) > 2, load.errors) == (True, 0)

    def test_a_load_at_a_rate_sends_all_that_falls_due(self) -> None:
        with listening(Handler) as address:
            load = run_load(address, REQUEST, clients=4, seconds=0.5, rate=40)
        assert (load.statuses, load.errors) == ({200: 20}, 0)

    def test_a_request_without_an_answer_is_an_error(self) -> None:
        class Rude(Handler):
            hangs_up = True

        with listening(Rude) as address:
            load = run_load(address, REQUEST, clients=1, seconds=0.5, rate=10)
        assert (load.errors, len(load.latencies)) == (5, 0)


PARENT = """
import subprocess, time
print(subprocess.Popen(["sleep", "60"], start_new_session=True).pid, flush=True)
time.sleep(60)
"""


def test_a_server_ends_with_children_that_have_groups_of_their_own() -> None:
    parent = psutil.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)
    child = psutil.Process(int(parent.stdout.readline()))
    stop(parent)
    deadline = time.monotonic() + 5
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(child)


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


CLASSES = Answer(
    ["red"], np.array([[0.25, 0.75]]), 0, {}, probabilities={"blue": [0.25], "red": [0.75]}
)
FORECAST = Answer([EntityForecast("1", "t0", ["t1", "t2"], [1.0, 2.0])], np.ones((1, 2)), 0, {})


def told(**content: object) -> bytes:
    return json.dumps(content).encode()


class TestAnswers:
    def test_probabilities_may_differ_in_the_seventh_digit(self) -> None:
        near = {"blue": [0.2500001], "red": [0.7499999]}
        check_answer(told(predictions=["red"], probabilities=near), CLASSES)

    def test_a_forecast_may_be_its_values_alone(self) -> None:
        check_answer(told(predictions=[[1.0, 2.0]]), FORECAST)
        check_answer(told(predictions=[{"entity": "1", "values": [1.0, 2.0]}]), FORECAST)

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            pytest.param({"predictions": ["blue"]}, CLASSES, id="another class"),
            pytest.param(
                {"predictions": ["red"], "probabilities": {"blue": [0.25], "red": [0.7501]}},
                CLASSES,
                id="another probability",
            ),
            pytest.param({"predictions": [[1.0, 2.1]]}, FORECAST, id="another value"),
            pytest.param({"predictions": [[1.0]]}, FORECAST, id="a step less"),
        ],
    )
    def test_other_numbers_are_told(self, content: dict[str, Any], expected: Answer) -> None:
        with pytest.raises(UnequalAnswerError, match="the model's"):
            check_answer(told(**content), expected)
