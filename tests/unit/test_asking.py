"""A service is asked on several connections, and its silence is told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from serving.release import asking
from serving.release.asking import CONNECTIONS, AskingError, ask, is_ready

HOST = "127.0.0.1"
Answer = Callable[[bytes], tuple[int, bytes]]


class _Server(ThreadingHTTPServer):
    answer: Answer
    connections: int = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        self._reply(200 if self.path == "/readyz" else 404, b"")

    def do_POST(self) -> None:
        assert (self.path, self.headers["Content-Type"]) == ("/predict", "application/json")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._reply(*self.server.answer(body))

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stays silent."""


@contextmanager
def serving(answer: Answer) -> Iterator[_Server]:
    with _Server((HOST, 0), _Handler) as server:
        server.answer = answer
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def echo(body: bytes) -> tuple[int, bytes]:
    return 422 if body == b"7" else 200, body


def test_replies_are_in_the_order_of_the_requests() -> None:
    bodies = [str(number).encode() for number in range(101)]
    with serving(echo) as server:
        replies = ask(HOST, bodies, port=server.server_port)
    assert [reply.body for reply in replies] == bodies
    assert [reply.status for reply in replies[:9]] == [200] * 7 + [422, 200]


def test_each_request_is_asked_once() -> None:
    asked: list[bytes] = []

    def remember(body: bytes) -> tuple[int, bytes]:
        asked.append(body)
        return 200, body

    bodies = [str(number).encode() for number in range(25)]
    with serving(remember) as server:
        ask(HOST, bodies, port=server.server_port)
    assert sorted(asked) == sorted(bodies)


def test_connections_stay_open() -> None:
    with serving(echo) as server:
        ask(HOST, [b"x"] * 50, port=server.server_port)
        assert server.connections == CONNECTIONS


def test_a_request_that_is_not_answered_is_named() -> None:
    def break_off(body: bytes) -> tuple[int, bytes]:
        if body == b"5":
            raise ConnectionAbortedError
        return 200, body

    with (
        serving(break_off) as server,
        pytest.raises(AskingError, match="request 5 is not answered"),
    ):
        ask(HOST, [str(number).encode() for number in range(9)], port=server.server_port)


def test_a_service_that_is_too_slow_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PATIENCE_SECONDS", -1)
    with serving(echo) as server, pytest.raises(AskingError, match="not answered after -1 s"):
        ask(HOST, [b"x"], port=server.server_port)


def test_a_service_is_ready_when_it_says_so() -> None:
    with serving(echo) as server:
        port = server.server_port
        assert is_ready(HOST, port=port)
    assert not is_ready(HOST, port=port)
