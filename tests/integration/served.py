"""What tests do to a service that is running."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil

from serving.release.packaging import BuiltBento
from serving.release.probe import HOST, Service

JSON = {"Content-Type": "application/json"}
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Packaged:
    """A model's directory, and the Bento that was built from it in a store of its own."""

    model_dir: Path
    bento: BuiltBento
    home: Path


def await_that(condition: Callable[[], object], *, what: str) -> None:
    """Waits until a condition holds; says what it waited for where that lasts too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.01)


def workers(service: Service) -> list[psutil.Process]:
    """The processes that answer."""
    children = psutil.Process(service.process.pid).children(recursive=True)
    return [child for child in children if _is_worker(child)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "_bentoml_impl.worker.service" in " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return False


def connect(service: Service) -> HTTPConnection:
    return HTTPConnection(HOST, service.port, timeout=PATIENCE_SECONDS)


def post(connection: HTTPConnection, content: Any, path: str = "/predict") -> tuple[int, Any]:
    """Status and content of the answer."""
    connection.request("POST", path, json.dumps(content), JSON)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def get(connection: HTTPConnection, path: str) -> str:
    connection.request("GET", path)
    return connection.getresponse().read().decode()
