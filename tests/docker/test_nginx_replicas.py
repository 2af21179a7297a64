"""nginx before several replicas of a released service, one of which is killed."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPException

import pytest

from serving.release.image import ServiceImage
from tests.docker.engine import engine
from tests.docker.image_cases import request
from tests.docker.nginx_cases import NginxCase, answer_on, await_status, new_key, running_nginx
from tests.docker.platform import until
from tests.docker.test_nginx_limits import begin_body

pytestmark = pytest.mark.docker

CLIENTS, PER_SECOND = 4, 15
SLOW, IN_HAND = 64, "--env=MAX_CONCURRENCY=16"
JSON = {"Content-Type": "application/json"}
FORECAST = json.dumps({"data": request(1)})


@contextmanager
def replica(nginx: NginxCase, image: ServiceImage) -> Iterator[str]:
    """A container of the service, which `api` stands for."""
    options = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--network-alias=api", IN_HAND)
    container = engine("run", "--detach", f"--network={nginx.network}", *options, image.id)
    try:
        yield container
    finally:
        engine("rm", "--force", container)


def address(container: str) -> str:
    """Where nginx finds it."""
    shown = "--format={{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return f"{engine('inspect', shown, container)}:8000"


def await_healthy(container: str) -> None:
    shown = ("inspect", "--format={{.State.Health.Status}}", container)
    until(lambda: engine(*shown) == "healthy", seconds=120, what="a replica")


def answered_by(nginx: NginxCase) -> set[str]:
    """The replicas that have answered so far."""
    return {line["upstream"] for line in nginx.log() if line["status"] == 200}


def ask_for(nginx: NginxCase, seconds: float) -> list[tuple[float, int]]:
    """When one client's requests within that time began, and their statuses; 0 if one broke off."""
    came, headers = [], {**new_key(), **JSON}
    deadline = time.monotonic() + seconds
    with closing(nginx.connection()) as connection:
        while (begun := time.monotonic()) < deadline:
            try:
                connection.request("POST", "/predict", FORECAST, headers)
                status = answer_on(connection).status
            except (HTTPException, ConnectionError):
                connection.close()
                status = 0
            came.append((begun, status))
            time.sleep(1 / PER_SECOND)
    return came


PAGES = {"/docs/swagger-ui.css": None, "/docs/swagger-ui-bundle.js": None, "/docs.json": "gzip"}
"""How each comes to who takes it compressed; pressing a megabyte takes as long as predictions."""


@pytest.fixture(scope="module")
def pair(oven_image: ServiceImage) -> Iterator[tuple[NginxCase, str, str]]:
    """nginx, and two replicas that answer."""
    with ExitStack() as stack:
        nginx = stack.enter_context(running_nginx())
        first, second = (stack.enter_context(replica(nginx, oven_image)) for _ in range(2))
        await_healthy(first)
        await_healthy(second)
        await_status(nginx, "/readyz")
        yield nginx, first, second


def test_slow_bodies_do_not_hold_the_service(pair: tuple[NginxCase, str, str]) -> None:
    """They are twice what both replicas have in hand."""
    nginx, *_ = pair
    with ExitStack() as stack:
        for _ in range(SLOW):
            begin_body(stack.enter_context(nginx.open()))
        time.sleep(0.5)
        answer = nginx.ask("/predict", method="POST", body=FORECAST, **JSON)
    assert answer.status == 200


def test_the_page_of_the_service_works_with_its_own_policy(
    pair: tuple[NginxCase, str, str],
) -> None:
    nginx, *_ = pair
    answer = nginx.ask("/")
    assert "script-src 'self'" in str(answer.header("content-security-policy"))
    for path, encoding in PAGES.items():
        found = nginx.ask(path, Accept_Encoding="gzip")
        assert (found.status, found.header("content-encoding")) == (200, encoding)


def test_a_replica_is_killed_and_no_later_request_fails(
    pair: tuple[NginxCase, str, str], oven_image: ServiceImage
) -> None:
    """Of each client one answer may have begun; a new replica's address gets requests as well."""
    nginx, first, second = pair
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(ask_for, nginx, 6) for _ in range(CLIENTS)]
        time.sleep(2)
        assert {address(first), address(second)} <= answered_by(nginx)
        engine("kill", first)
        killed = time.monotonic()
        came = [one for client in clients for one in client.result()]
    statuses = Counter(status for _, status in came)
    assert statuses.total() > 100
    assert set(statuses) <= {200, 0}
    assert statuses[0] <= CLIENTS
    assert {status for begun, status in came if begun > killed} == {200}
    with nginx.upstream("takes-its-address"), replica(nginx, oven_image) as another:
        engine("kill", second)
        await_healthy(another)
        assert nginx.ask("/predict", method="POST", body=FORECAST, **JSON).status == 200
        assert address(another) in answered_by(nginx)
