"""The service as its customers run it: a container without rights, without a network."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from serving.release.image import ServiceImage
from serving.release.packaging import BuiltBento
from tests.docker.engine import engine
from tests.docker.image_cases import build, changed

pytestmark = pytest.mark.docker

HARDENED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")
READY_SECONDS = 60
ASK = """
import json, sys, urllib.request
method, path, body = sys.argv[1:]
request = urllib.request.Request(
    "http://127.0.0.1:8000" + path, body.encode() or None, {"Content-Type": "application/json"},
    method=method)
try:
    reply = urllib.request.urlopen(request)
except urllib.error.HTTPError as error:
    reply = error
print(reply.status)
print(reply.read().decode())
"""


@contextmanager
def running(image: ServiceImage, *options: str) -> Iterator[str]:
    """The id of a container that is healthy."""
    container = engine("run", "--detach", *HARDENED, *options, image.id)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while engine("inspect", "--format={{.State.Health.Status}}", container) != "healthy":
            assert time.monotonic() < deadline, engine("logs", container)
            time.sleep(0.2)
        yield container
    finally:
        engine("rm", "--force", container)


def ask(container: str, method: str, path: str, content: Any = None) -> tuple[int, str]:
    """Status and text of the answer to a request from inside the container."""
    body = "" if content is None else json.dumps(content)
    said = engine("exec", container, "python3", "-c", ASK, method, path, body)
    status, _, text = said.partition("\n")
    return int(status), text


@pytest.fixture(scope="module")
def container(oven_image: ServiceImage) -> Iterator[str]:
    with running(oven_image, "--network=none") as container:
        yield container


@pytest.mark.parametrize("path", ["/", "/docs.json", "/model", "/health", "/readyz", "/metrics"])
def test_without_rights_and_network_every_page_is_there(container: str, path: str) -> None:
    status, text = ask(container, "GET", path)
    assert status == 200
    assert text


def test_the_example_of_its_document_is_answered_as_it_says(container: str) -> None:
    document = json.loads(ask(container, "GET", "/docs.json")[1])
    operation = document["paths"]["/predict"]["post"]
    request = operation["requestBody"]["content"]["application/json"]["example"]
    expected = operation["responses"]["200"]["content"]["application/json"]["example"]
    status, text = ask(container, "POST", "/predict", request)
    assert (status, json.loads(text)) == (200, expected)


def test_a_mistake_is_answered_with_its_place(container: str) -> None:
    status, text = ask(container, "POST", "/predict", {"data": {"OT": ["warm"]}})
    assert status == 422
    assert json.loads(text)["fields"][0]["path"] == "/data/date"


def test_it_runs_as_nobody_and_can_write_nothing_but_tmp(container: str) -> None:
    assert engine("exec", container, "id", "-u") == "1000"
    refused = ["docker", "exec", container, "touch", "/bento/src/model/model.json"]
    assert subprocess.run(refused, capture_output=True, check=False).returncode != 0


def test_its_log_is_json(container: str) -> None:
    ask(container, "GET", "/health")
    lines = [json.loads(line) for line in engine("logs", container).splitlines()]
    assert {"time", "level", "logger", "message"} <= set.intersection(*map(set, lines))


def test_a_container_that_is_stopped_answers_what_has_begun_to_arrive(
    oven_image: ServiceImage,
) -> None:
    with running(oven_image, "--publish=127.0.0.1::8000") as container:
        port = int(engine("port", container, "8000").rpartition(":")[2])
        example = json.loads(ask(container, "GET", "/docs.json")[1])["paths"]["/predict"]["post"]
        body = json.dumps(example["requestBody"]["content"]["application/json"]["example"]).encode()
        head = (
            "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with closing(socket.create_connection(("127.0.0.1", port))) as connection:
            connection.sendall(head.encode() + body[:10])
            time.sleep(1)
            stopping = subprocess.Popen(["docker", "stop", "--time", "30", container])
            time.sleep(3)
            connection.sendall(body[10:])
            assert connection.recv(12) == b"HTTP/1.1 200"
        assert stopping.wait(60) == 0
        assert engine("inspect", "--format={{.State.ExitCode}}", container) == "0"


def test_a_container_with_a_damaged_model_ends_and_says_so(
    oven_bento: BuiltBento, tmp_path: Path
) -> None:
    def damage(source: Path) -> None:
        with (source / "model" / "model.ubj").open("ab") as file:
            file.write(b"x")

    image = build(changed(oven_bento, damage, place=tmp_path), "damaged")
    ended = subprocess.run(
        ["docker", "run", "--rm", *HARDENED, "--network=none", image.id],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    lines = [json.loads(line) for line in (ended.stdout + ended.stderr).splitlines()]
    (error,) = (line["message"] for line in lines if line["level"] == "error")
    assert "model.ubj" in error
    assert "is damaged or belongs to another model" in error
