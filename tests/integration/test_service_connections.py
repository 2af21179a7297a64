"""The real service makes connections of our own kind, whose limits the unit tests know."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from serving.release.probe import HOST, Service, serve_bento
from serving.runtime.http.connection import MAX_HEAD_BYTES
from tests.integration.served import PATIENCE_SECONDS, Packaged, connect, get
from tests.unit.http_cases import figure

HEAD = b"GET /health HTTP/1.1\r\nHost: a\r\n"


@pytest.fixture(scope="module")
def service(flower: Packaged) -> Iterator[Service]:
    with serve_bento(flower.bento.tag, bento_home=flower.home) as service:
        yield service


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"hello\r\n\r\n", 400), (HEAD + b"X-Long: " + b"x" * MAX_HEAD_BYTES, 431)],
)
def test_what_is_no_request_is_refused_counted_and_logged(
    service: Service, sent: bytes, status: int
) -> None:
    with socket.create_connection((HOST, service.port), PATIENCE_SECONDS) as connection:
        connection.sendall(sent)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(body)["request_id"] in service.log.read_text()
    with closing(connect(service)) as another:
        metrics = get(another, "/metrics")
    assert figure(metrics, f'http_requests_total{{route="other",status="{status}"}}') == 1
