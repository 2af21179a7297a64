"""The file of the containers' states, as far as it needs no Docker Engine."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from run_containers.service import Rounds
from run_containers.states import PROJECT, SERVICE, ContainerStates
from run_containers.trouble import ENGINE, RoundError, Trouble

STATE = {"Status": "running", "OOMKilled": False, "StartedAt": "2026-01-02T03:04:05.678901234Z"}
LABELS = {PROJECT: "test", SERVICE: "nginx"}


@contextmanager
def engine_of(state: dict[str, Any], labels: dict[str, str]) -> Iterator[str]:
    """The address of an engine that knows one container."""
    about = {
        "Id": "c0ffee", "Name": "/test-nginx-1", "State": state, "RestartCount": 0,
        "Config": {"Labels": labels},
    }  # fmt: skip
    answers = {
        "/version": {"ApiVersion": "1.47"},
        "/v1.47/containers/json": [about],
        "/v1.47/containers/c0ffee/json": about,
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers[self.path.partition("?")[0]]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.server_port}"
        server.shutdown()


class Refused:
    """A duty that is never done."""

    def make_round(self) -> None:
        raise RoundError([Trouble("the database", "is away")])


class Counted:
    """A duty that is always done."""

    rounds = 0

    def make_round(self) -> None:
        self.rounds += 1


def test_without_an_engine_no_file_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(RoundError) as error:
        ContainerStates("test", tmp_path / "states.prom").make_round()
    assert error.value.sources == {ENGINE}
    assert list(tmp_path.iterdir()) == []


def test_what_the_engine_tells_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "states.prom"
    with engine_of(STATE, LABELS) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        ContainerStates("test", path).make_round()
    sample = 'platform_container_running{service="nginx",container="test-nginx-1"} 1.0'
    assert sample in path.read_text().splitlines()


@pytest.mark.parametrize(
    ("state", "labels"),
    [
        ({**STATE, "StartedAt": "yesterday"}, LABELS),
        ({"Status": "running"}, LABELS),
        (None, LABELS),
        (STATE, {PROJECT: "test"}),
    ],
)
def test_a_state_that_is_not_as_expected_is_told_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    state: dict[str, Any],
    labels: dict[str, str],
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with engine_of(state, labels) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        rounds = Rounds([ContainerStates("test", tmp_path / "states.prom")])
        for _ in range(2):
            rounds.make_one()
    [warning] = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith("the Docker Engine: UnexpectedStateError no platform_container_")
    assert "of test-nginx-1" in warning
    assert not (tmp_path / "states.prom").exists()


def test_a_duty_that_fails_holds_up_no_other() -> None:
    counted = Counted()
    rounds = Rounds([Refused(), counted])
    rounds.make_one()
    assert counted.rounds == 1
    assert rounds.wrong == {"the database"}
