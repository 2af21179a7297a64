"""golden/check.py of a bundle: a customer's service is asked the golden requests again."""

import ast
import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from serving.golden import GoldenRequest, write_golden
from serving.release import differences
from serving.release.probe import free_ports

SCRIPT = Path(differences.__file__)
GOLDEN = [
    GoldenRequest(data={"length": [number]}, predictions=["red"], probabilities={"red": [0.75]})
    for number in range(3)
]
Answer = Callable[[dict[str, Any]], dict[str, Any] | bytes]


def right(request: dict[str, Any]) -> dict[str, Any]:
    """What the evaluated model answers."""
    (one,) = (one for one in GOLDEN if one.data == request["data"])
    model = {"name": "flower", "version": "3"}
    return {"model": model, **one.model_dump(mode="json", exclude={"data"})}


def off_by(difference: float) -> Answer:
    """Answers whose probabilities are off."""
    return lambda request: right(request) | {"probabilities": {"red": [0.75 + difference]}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answer: Answer

    def do_POST(self) -> None:
        assert (self.path, self.headers["Content-Type"]) == ("/predict", "application/json")
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = type(self).answer(request)
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stays silent."""


@contextmanager
def serving(answer: Answer) -> Iterator[int]:
    """The port of a service."""
    handler = type("Handler", (_Handler,), {"answer": staticmethod(answer)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def golden(tmp_path: Path) -> bytes:
    write_golden(GOLDEN, tmp_path / "requests.jsonl.gz")
    return (tmp_path / "requests.jsonl.gz").read_bytes()


def _check(port: int, golden: bytes, *, version: str = "3") -> subprocess.CompletedProcess[bytes]:
    """Runs the script as a customer does: by itself, without the project."""
    return subprocess.run(
        [sys.executable, "-I", SCRIPT, "flower", version],
        input=golden,
        env={"PORT": str(port)},
        cwd="/",
        capture_output=True,
        check=False,
        timeout=60,
    )


def test_it_needs_nothing_but_the_standard_library() -> None:
    tree = ast.parse(SCRIPT.read_text())
    names = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [one.name for one in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert names
    assert names <= sys.stdlib_module_names


def test_a_service_that_answers_as_the_model_passes(golden: bytes) -> None:
    with serving(right) as port:
        ended = _check(port, golden)
    assert (ended.returncode, ended.stderr) == (0, b"")
    said = b"3 golden requests asked, 12 values compared, largest difference 0 (up to 1e-06 is allo"
    assert ended.stdout.startswith(said)


def test_a_difference_within_the_tolerance_passes(golden: bytes) -> None:
    with serving(off_by(9e-7)) as port:
        ended = _check(port, golden)
    assert ended.returncode == 0
    assert b"largest difference 9e-07" in ended.stdout


def test_a_larger_difference_fails_with_a_table(golden: bytes) -> None:
    with serving(off_by(1e-3)) as port:
        ended = _check(port, golden)
    _, told, header, *rows = ended.stdout.decode().splitlines()
    assert (ended.returncode, told) == (1, "3 values differ; the worst:")
    assert tuple(header.split()) == differences.HEADER
    assert rows[0].split() == ["0", "probabilities.red", "0", "0.75", "0.751", "0.001"]
    assert len(rows) == 3


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: right(request) | {"predictions": ["blue"]},
        lambda request: right(request) | {"probabilities": {"red": ["0.75"]}},
        lambda request: right(request) | {"model": {"name": "flower", "version": "2"}},
        lambda _: {"error": "busy"},
        lambda _: [],
    ],
)
def test_any_other_answer_fails(answer: Answer, golden: bytes) -> None:
    with serving(answer) as port:
        ended = _check(port, golden)
    assert (ended.returncode, ended.stderr) == (1, b"")


def test_the_service_of_another_version_fails(golden: bytes) -> None:
    with serving(right) as port:
        ended = _check(port, golden, version="4")
    assert ended.returncode == 1
    assert b"model.version" in ended.stdout


def test_no_golden_requests_prove_nothing() -> None:
    with serving(right) as port:
        assert _check(port, gzip.compress(b"")).returncode == 1


@pytest.mark.parametrize("answer", [b"<html>", b"", b"\xff"])
def test_an_answer_that_is_no_json_is_told_in_a_line(answer: bytes, golden: bytes) -> None:
    with serving(lambda _request: answer) as port:
        ended = _check(port, golden)
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"request 0 is not answered with JSON: ")
    assert ended.stderr.count(b"\n") == 1


def test_a_service_that_is_not_there_is_told_in_a_line(golden: bytes) -> None:
    ended = _check(*free_ports(1), golden)
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"request 0 is not answered with JSON: ConnectionRefused")
