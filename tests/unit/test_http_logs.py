"""What the service writes into its log, and what it never does."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from serving.runtime.http import logs
from serving.runtime.model import Model
from tests.unit.http_cases import Client, client_of
from tests.unit.request_cases import history, with_value

SECRET = "s3cret-of-a-customer"  # noqa: S105


@pytest.fixture
def client(forecaster: Model) -> Client:
    return client_of(forecaster)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    logs.access.addHandler(handler)
    logs.access.setLevel(logging.INFO)
    yield stream
    logs.access.removeHandler(handler)
    logs.access.setLevel(logging.NOTSET)


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_a_request_is_one_line_of_json(client: Client, log: io.StringIO) -> None:
    answer = client.post("/predict", json={"data": history()})
    (line,) = lines(log)
    assert line["request_id"] == answer.headers["x-request-id"]
    assert (line["method"], line["route"], line["status"]) == ("POST", "/predict", 200)
    assert (line["rows"], line["level"], line["logger"]) == (1, "info", "serving.access")
    assert line["time"].endswith("Z")
    assert line["milliseconds"] > 0


def test_what_a_client_sends_is_not_logged(client: Client, log: io.StringIO) -> None:
    wrong = with_value(history(), "OT", 3, SECRET)
    client.post("/predict", json={"data": wrong}, headers={"Authorization": f"Bearer {SECRET}"})
    client.get(f"/{SECRET}?key={SECRET}")
    assert SECRET not in log.getvalue()
    assert [line["route"] for line in lines(log)] == ["/predict", "other"]


def test_a_failure_of_ours_is_logged_and_not_told(
    client: Client, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError(SECRET)

    monkeypatch.setattr("serving.runtime.http.endpoints.read_question", fail)
    answer = client.post("/predict", json={"data": history()})
    assert answer.status_code == 500
    assert SECRET not in answer.text
    failure, request = lines(log)
    assert SECRET not in log.getvalue()
    assert failure["error"] == "ZeroDivisionError"
    assert failure["places"][0].endswith(" fail")
    assert failure["request_id"] == request["request_id"] == answer.json()["request_id"]
