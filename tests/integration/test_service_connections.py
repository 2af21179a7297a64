"""What a connection is answered that brings no request: too large, too slow, or no HTTP."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from serving.release.probe import HOST, Service, serve_bento
from serving.runtime.http.connection import HEAD_SECONDS, MAX_HEAD_BYTES
from tests.integration.served import PATIENCE_SECONDS, Packaged, connect, figure, get

HEAD = b"GET /health HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
CLOSES = b"Connection: close\r\n\r\n"
HEADER = b"X-Filler: %s\r\n"


@pytest.fixture(scope="module")
def service(flower: Packaged) -> Iterator[Service]:
    with serve_bento(flower.bento.tag, bento_home=flower.home) as service:
        yield service


def tell(service: Service, *parts: bytes) -> bytes:
    """All that a connection is answered until the service ends it."""
    with socket.create_connection((HOST, service.port), PATIENCE_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answer = b""
        try:
            for part in parts:
                connection.sendall(part)
            for answered in iter(lambda: connection.recv(65536), b""):
                answer += answered
        except (BrokenPipeError, ConnectionResetError):  # the service hung up meanwhile
            pass
        return answer


def refusal(answer: bytes) -> tuple[int, str]:
    """Status and message of the only answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert b"content-type: application/json" in lines
    assert b"connection: close" in lines
    content = json.loads(body)
    assert b"x-request-id: %s" % content["request_id"].encode() in lines
    return int(lines[0].split()[1]), content["error"]


def filler(size: int) -> bytes:
    """Headers of so many bytes."""
    most = 4000
    sizes = [most] * (size // most) + [size % most]
    return b"".join(HEADER % (b"x" * (one - len(HEADER % b""))) for one in sizes if one)


@pytest.mark.parametrize("more", [0, 1])
def test_headers_have_a_limit(service: Service, more: int) -> None:
    room = MAX_HEAD_BYTES - len(HEAD) - len(CLOSES)
    answer = tell(service, HEAD + filler(room + more) + CLOSES)
    if not more:
        assert answer.startswith(b"HTTP/1.1 200 OK")
    else:
        assert refusal(answer) == (431, f"the headers have more than {MAX_HEAD_BYTES} bytes")


@pytest.mark.parametrize("start", [HEAD + b"X-Endless: ", b"GET /", HEAD])
def test_headers_without_an_end_are_not_read_on(service: Service, start: bytes) -> None:
    part = filler(20_000) if start == HEAD else b"x" * 20_000
    sent = tell(service, start, *[part] * 1000)
    assert not sent or refusal(sent)[0] == 431


def test_a_request_whose_successor_is_refused_is_answered(service: Service) -> None:
    first = HEAD + b"\r\n"
    answer = tell(service, first, first + HEAD + filler(2 * MAX_HEAD_BYTES))
    assert [one[:3] for one in answer.split(b"HTTP/1.1 ")[1:3]] == [b"200", b"200"]


def test_many_requests_in_one_part_are_all_answered(service: Service) -> None:
    count = 2 * MAX_HEAD_BYTES // len(HEAD)
    answer = tell(service, (HEAD + b"\r\n") * count + HEAD + CLOSES)
    assert answer.count(b"HTTP/1.1 200 OK") == count + 1


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        HEAD + b"X-Bytes: a\x00b\r\n\r\n",
    ],
)
def test_what_is_no_http_is_told_so(service: Service, sent: bytes) -> None:
    before = refused(service)
    assert b"can't be read as HTTP" in tell(service, sent)
    assert refused(service) == before + 1


def refused(service: Service) -> float:
    with closing(connect(service)) as connection:
        metrics = get(connection, "/metrics")
    return figure(metrics, 'http_requests_total{route="other",status="400"}')


def test_headers_that_do_not_come_are_given_up(service: Service) -> None:
    message = f"the headers did not arrive within {HEAD_SECONDS:g} s"
    assert refusal(tell(service, HEAD)) == (408, message)


def test_a_client_that_says_nothing_is_let_go(service: Service) -> None:
    assert tell(service) == b""
