"""What nginx lets through: requests in a time, sizes, connections, and how long it waits."""

import base64
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from tests.docker.nginx_cases import UI, NginxCase, answer_on, await_status, new_key, running_nginx
from tests.docker.platform import until

pytestmark = pytest.mark.docker

MINUTE, PER_SECOND = 60, 500
ALLOWED = 50 * MINUTE + 100
MOST_BYTES = 8_000_000
PATIENT_SECONDS = 20
FEW = {"RATE_LIMIT": "1", "RATE_BURST": "5", "ADDRESS_RATE_LIMIT": "20", "ADDRESS_CONNECTIONS": "8"}


@pytest.fixture(scope="module")
def nginx() -> Iterator[NginxCase]:
    """nginx with its own limits."""
    with running_nginx() as case, case.upstream("api"):
        await_status(case, "/health")
        yield case


@pytest.fixture(scope="module")
def strict() -> Iterator[NginxCase]:
    """nginx with limits that a test reaches soon."""
    with running_nginx(**FEW) as case, case.upstream("api"):
        await_status(case, "/health")
        yield case


def statuses(nginx: NginxCase, count: int, path: str = "/", **headers: str) -> Counter[int]:
    """How often each status came for requests one after another."""
    return Counter(nginx.ask(path, **headers).status for _ in range(count))


def test_in_a_minute_a_key_gets_its_rate_and_its_burst(nginx: NginxCase) -> None:
    """The load is bounded: one request at a time, none before its time."""
    key, came, sent = new_key(), Counter[int](), 0
    with closing(nginx.connection()) as connection:
        begin = time.monotonic()
        while (now := time.monotonic() - begin) < MINUTE:
            if now < sent / PER_SECOND:
                time.sleep(sent / PER_SECOND - now)
            connection.request("GET", "/", headers=key)
            came[answer_on(connection).status] += 1
            sent += 1
    assert sent > 2 * ALLOWED
    assert set(came) == {200, 429}
    assert came[200] == pytest.approx(ALLOWED, rel=0.02)


def test_over_its_rate_a_key_is_told_when_to_ask_again_and_others_are_not(
    strict: NginxCase,
) -> None:
    key, other = new_key(), new_key()
    came = statuses(strict, 12, **key)
    assert came[200] in {6, 7}
    refused = strict.ask("/", **key)
    assert refused.status == 429
    assert refused.header("retry-after") == "1"
    assert set(refused.json()) == {"error", "request_id"}
    assert strict.ask("/", **other).status == 200


def test_a_key_is_the_same_however_its_header_is_written(strict: NginxCase) -> None:
    key = new_key()["Authorization"].split()[1]
    spellings = (f"Bearer {key}", f"bearer   {key}", f"BEARER {key} ")
    came = Counter(strict.ask("/", Authorization=spellings[n % 3]).status for n in range(12))
    assert came[200] in {6, 7}


def test_a_key_too_long_to_be_one_counts_for_its_address(strict: NginxCase) -> None:
    came = Counter(strict.ask("/", Authorization=f"Bearer {n:0300}").status for n in range(15))
    assert came[200] <= 7


def test_changing_keys_do_not_evade_the_limit_of_the_address(strict: NginxCase) -> None:
    came = Counter(strict.ask("/", **new_key()).status for _ in range(60))
    assert came[429] > 0


def test_passwords_of_mlflow_can_be_guessed_slowly_only(nginx: NginxCase) -> None:
    """The load is bounded: a thousand requests, one after the other."""
    wrong = {"Authorization": f"Basic {base64.b64encode(b'mlflow:guessed').decode()}"}
    came = Counter[int]()
    with closing(nginx.connection(UI)) as connection:
        for _ in range(1000):
            connection.request("GET", "/version", headers=wrong)
            came[answer_on(connection).status] += 1
    assert set(came) == {401, 429}
    assert came[401] < 900


def test_whoever_watches_is_not_refused(strict: NginxCase) -> None:
    for path in ("/health", "/livez", "/readyz"):
        assert statuses(strict, 30, path) == {200: 30}


def test_an_address_has_so_many_connections_at_a_time(strict: NginxCase) -> None:
    slow: list[socket.socket] = []
    with ExitStack() as stack:

        def is_refused_after_one_more() -> bool:
            slow.append(stack.enter_context(strict.open()))
            begin_body(slow[-1], "/health")
            return strict.ask("/health").status == 429

        until(is_refused_after_one_more, seconds=9, what="a refused connection")
        assert 8 <= len(slow) <= 12
    await_status(strict, "/health")


def test_a_body_is_as_large_as_the_service_takes_it(nginx: NginxCase) -> None:
    answer = nginx.ask("/predict", method="POST", body=bytes(MOST_BYTES))
    assert answer.json()["bytes"] == MOST_BYTES
    answer = nginx.ask("/predict", method="POST", body=bytes(MOST_BYTES + 1))
    assert answer.status == 413
    assert "8000000 bytes" in answer.json()["error"]


def test_a_body_that_does_not_tell_its_size_is_limited_too(nginx: NginxCase) -> None:
    with closing(nginx.connection()) as connection:
        parts = (bytes(100_000) for _ in range(81))
        chunked = {"Transfer-Encoding": "chunked"}
        connection.request("POST", "/predict", parts, chunked, encode_chunked=True)
        assert answer_on(connection).status == 413


def test_without_room_for_a_body_nginx_says_when_to_ask_again() -> None:
    with running_nginx("--tmpfs=/tmp:mode=1777,size=1m") as full, full.upstream("api"):
        await_status(full, "/health")
        answer = full.ask("/predict", method="POST", body=bytes(MOST_BYTES))
    assert (answer.status, answer.header("retry-after")) == (503, "5")
    assert set(answer.json()) == {"error", "request_id"}


@pytest.mark.parametrize(
    ("headers", "status"), [({"X-Long": "x" * 20_000}, 431), ({"Content-Length": "many"}, 400)]
)
def test_headers_that_cannot_be_read_are_refused(
    nginx: NginxCase, headers: dict[str, str], status: int
) -> None:
    answer = nginx.ask("/", **headers)
    assert answer.status == status
    assert set(answer.json()) == {"error", "request_id"}
    assert answer.header("x-frame-options") == "DENY"


def test_slow_clients_are_hung_up_on(nginx: NginxCase) -> None:
    """One sends a letter of its headers each second, the other stops in the middle of a body."""
    with nginx.open() as headers, nginx.open() as body:
        headers.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        begin_body(body)
        deadline = time.monotonic() + PATIENT_SECONDS
        waiting = {headers, body}
        while waiting and time.monotonic() < deadline:
            waiting = {one for one in waiting if not has_ended(one)}
            if headers in waiting:
                headers.sendall(b"x")
    assert not waiting


def begin_body(connection: socket.socket, path: str = "/predict") -> None:
    """Sends a request without the end of its body."""
    connection.sendall(
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        'Content-Length: 12\r\n\r\n{"data":'.encode()
    )


def has_ended(connection: socket.socket) -> bool:
    """Whether the other side hangs up within a second."""
    connection.settimeout(0.5)
    try:
        return connection.recv(1000) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True
