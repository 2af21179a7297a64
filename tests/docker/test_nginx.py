"""nginx before the service and MLflow: what it passes on, what it answers itself, what it logs."""

import base64
import gzip
import http.client
import json
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.docker.engine import engine
from tests.docker.nginx_cases import (
    API,
    API_TLS,
    PASSWORD,
    STATUS,
    UI,
    NginxCase,
    await_status,
    new_key,
    running_nginx,
)
from tests.docker.nginx_upstream import DIES, LARGE

pytestmark = pytest.mark.docker

SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "x-xss-protection": "0",
    "server": "nginx",
}
HEALTH_CHECK = ("curl", "-fsS", "-m", "4", "-o", "/dev/null", "http://127.0.0.1:8081/health")
LOGIN = {"Authorization": f"Basic {base64.b64encode(f'mlflow:{PASSWORD}'.encode()).decode()}"}
NOT_METRICS = ("/metrics", "//metrics", "/./metrics", "/%6detrics", "/metrics?x=1", "/a/../metrics")


@pytest.fixture(scope="module")
def nginx() -> Iterator[NginxCase]:
    """nginx with what stands in for the service and MLflow behind it."""
    with running_nginx() as case, case.upstream("api", "mlflow"):
        await_status(case, "/health")
        yield case


def assert_error(nginx: NginxCase, path: str, status: int, port: int = API, **more: str) -> None:
    """The answer is an error in the service's shape, with the headers that every answer has."""
    answer = nginx.ask(path, port=port, **more)
    assert answer.status == status
    assert answer.header("content-type") == "application/json"
    assert set(answer.json()) == {"error", "request_id"}
    assert answer.json()["request_id"] == answer.header("x-request-id")
    assert {name: answer.header(name) for name in SECURITY} == SECURITY


def test_the_service_is_told_who_asks_and_under_which_id(nginx: NginxCase) -> None:
    spoofed = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "gopher",
        "Forwarded": "for=x",
    }
    headers = nginx.ask("/predict", **spoofed, **new_key()).json()["headers"]
    assert headers["x-forwarded-for"].count(".") == 3
    assert headers["x-forwarded-for"] != spoofed["X-Forwarded-For"]
    assert headers["x-forwarded-proto"] == "http"
    assert "forwarded" not in headers
    assert nginx.ask("/", port=API_TLS).json()["headers"]["x-forwarded-proto"] == "https"


def test_a_callers_request_id_is_passed_on_if_the_service_would_take_it(nginx: NginxCase) -> None:
    answer = nginx.ask("/", X_Request_ID="order-7.b")
    assert answer.json()["headers"]["x-request-id"] == answer.header("x-request-id") == "order-7.b"
    answer = nginx.ask("/", X_Request_ID='"}<b>')
    assert answer.header("x-request-id") not in {None, '"}<b>'}


@pytest.mark.parametrize("port", [API, API_TLS])
def test_every_answer_has_the_security_headers(nginx: NginxCase, port: int) -> None:
    for path in ("/", "/?status=422", "/?status=500", "/metrics"):
        answer = nginx.ask(path, port=port)
        assert {name: answer.header(name) for name in SECURITY} == SECURITY
        assert "default-src 'none'" in str(answer.header("content-security-policy"))
        strict = answer.header("strict-transport-security")
        assert (strict is not None) == (port == API_TLS)


def test_headers_of_the_service_come_through_and_none_comes_twice(nginx: NginxCase) -> None:
    sent = "/?X-Content-Type-Options=nosniff&Content-Security-Policy=img-src+'self'&X-Request-ID=7"
    answer = nginx.ask(sent)
    assert answer.header("content-security-policy") == "img-src 'self'"
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("x-request-id") == "7"
    answer = nginx.ask("/?status=503&Retry-After=77")
    assert answer.header("retry-after") == "77"


@pytest.mark.parametrize("path", NOT_METRICS)
def test_figures_are_not_for_callers(nginx: NginxCase, path: str) -> None:
    assert_error(nginx, path, 404)


def test_another_method_is_refused_with_those_that_are_taken(nginx: NginxCase) -> None:
    for method in ("DELETE", "PUT", "TRACE", "BREW"):
        assert_error(nginx, "/", 405, method=method)
    assert nginx.ask("/", method="DELETE").header("allow") == "GET, HEAD, POST"
    assert nginx.ask("/", port=UI, method="PUT", **LOGIN).status == 200


def test_json_is_compressed_for_who_takes_it(nginx: NginxCase) -> None:
    answer = nginx.ask(LARGE, Accept_Encoding="gzip")
    assert answer.header("content-encoding") == "gzip"
    assert len(answer.body) < 5000
    assert json.loads(gzip.decompress(answer.body))["path"] == LARGE
    assert nginx.ask(LARGE).header("content-encoding") is None


def test_a_start_without_anything_behind_it_answers_502_and_when_to_ask_again() -> None:
    with running_nginx() as alone:
        answer = alone.ask("/predict", method="POST", body="{}")
        assert answer.status == 502
        assert answer.header("retry-after") == "5"
        assert_error(alone, "/health?secret=1", 502)
        assert "secret" not in alone.log_of_errors()
        assert alone.ask("/health", port=UI).json() == {"status": "alive"}
        with alone.upstream("api"):
            await_status(alone, "/predict")


def test_what_a_replica_took_with_it_is_asked_of_another() -> None:
    with running_nginx() as nginx, nginx.upstream("api"):
        await_status(nginx, "/health")
        with nginx.upstream("api", command=DIES) as short_lived:
            shown = ("inspect", "--format={{.State.Running}}", short_lived)
            came = Counter[int]()
            while engine(*shown) == "true":
                came[nginx.ask("/predict", method="POST", body="{}").status] += 1
    assert set(came) == {200}


def test_mlflows_page_wants_the_password_and_mlflow_never_sees_it(nginx: NginxCase) -> None:
    answer = nginx.ask("/", port=UI)
    assert answer.status == 401
    assert "MLFLOW_UI_PASSWORD" in answer.json()["error"]
    assert answer.header("www-authenticate") == 'Basic realm="MLflow"'
    wrong = f"Basic {base64.b64encode(b'mlflow:another').decode()}"
    assert nginx.ask("/", port=UI, Authorization=wrong).status == 401
    headers = nginx.ask("/", port=UI, Host="models.example.org:80", **LOGIN).json()["headers"]
    assert headers["host"] == "models.example.org:80"
    assert "authorization" not in headers


def test_mlflows_page_may_run_scripts_of_its_own_only(nginx: NginxCase) -> None:
    answer = nginx.ask("/?X-Frame-Options=SAMEORIGIN", port=UI, **LOGIN)
    policy = str(answer.header("content-security-policy"))
    assert "script-src 'self';" in policy
    assert answer.header("x-frame-options") == "SAMEORIGIN"
    artifact = nginx.ask("/get-artifact?path=x.mjs&run_uuid=1", port=UI, **LOGIN)
    assert "script-src 'none';" in str(artifact.header("content-security-policy"))


def test_an_artifact_may_be_larger_than_a_request_for_predictions(nginx: NginxCase) -> None:
    artifact = bytes(9_000_000)
    path = "/api/2.0/mlflow-artifacts/artifacts/0/model"
    answer = nginx.ask(path, port=UI, method="PUT", body=artifact, **LOGIN)
    assert answer.json()["bytes"] == len(artifact)


def test_the_log_is_json_without_queries_and_keys(nginx: NginxCase) -> None:
    key = new_key()
    nginx.ask("/predict?secret=1", X_Request_ID="logged", **key)
    (line,) = [line for line in nginx.log() if line["request_id"] == "logged"]
    assert (line["path"], line["status"], line["method"]) == ("/predict", 200, "GET")
    shown = engine("logs", nginx.container)
    assert key["Authorization"].split()[1] not in shown
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("get /predict?secret=1 HTTP/1.1", 400),
        ("CONNECT elsewhere:80?secret=1 HTTP/1.1", 400),
        ("GET /../secret HTTP/1.1", 400),
        ("GET /secret HTTP/3.0", 505),
        (f"GET /{'secret' * 4000} HTTP/1.1", 414),
    ],
)
def test_a_first_line_that_cannot_be_read_is_told_and_not_logged(
    nginx: NginxCase, line: str, status: int
) -> None:
    with nginx.open() as wire:
        wire.sendall(f"{line}\r\nHost: localhost\r\n\r\n".encode())
        response = http.client.HTTPResponse(wire)
        response.begin()
        content = json.loads(response.read())
    assert response.status == status
    assert set(content) == {"error", "request_id"}
    assert response.headers["X-Frame-Options"] == "DENY"
    assert "secret" not in nginx.log_of_errors()


def test_a_long_address_is_cut_in_the_log(nginx: NginxCase) -> None:
    nginx.ask(f"/{'x' * 9000}", X_Request_ID="long")
    (line,) = [line for line in nginx.log() if line["request_id"] == "long"]
    assert line["path"] == f"/{'x' * 199}"


def test_prometheus_can_ask_for_its_figures(nginx: NginxCase) -> None:
    assert b"Active connections" in nginx.ask("/status", port=STATUS).body


def test_the_image_has_what_its_health_check_needs(nginx: NginxCase) -> None:
    engine("exec", nginx.container, *HEALTH_CHECK)
