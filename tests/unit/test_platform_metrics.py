"""What the exporter makes of its sources, and of those that are away."""

import logging
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from prometheus_client.core import GaugeMetricFamily, Metric

from platform_metrics import watching
from platform_metrics.certificate import Certificate, not_after
from platform_metrics.containers import STALE_SECONDS, ContainersFile
from platform_metrics.failures import SourceError
from platform_metrics.neighbours import Neighbours
from platform_metrics.nginx import Nginx
from platform_metrics.releases import ReleaseRun, failed_releases
from platform_metrics.services import Services
from platform_metrics.settings import Settings
from platform_metrics.watching import Watch
from tests.conftest import ROOT

STUB_STATUS = (
    "Active connections: 3 \nserver accepts handled requests\n 31 30 290 \n"
    "Reading: 0 Writing: 1 Waiting: 2 \n"
)
CONTAINERS = """\
# HELP platform_container_running Whether a container runs.
# TYPE platform_container_running gauge
platform_container_running{service="127.0.0.1",container="ml-assets-nginx-1"} 1.0
"""
END = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.fixture
def containers(tmp_path: Path) -> ContainersFile:
    """A platform that has one service, which is called by its address."""
    path = tmp_path / "containers.prom"
    path.write_text(CONTAINERS)
    return ContainersFile(path)


@pytest.fixture
def neighbours(containers: ContainersFile) -> Neighbours:
    return Neighbours(containers)


@contextmanager
def answering(text: str) -> Iterator[str]:
    """The address of a server that answers everything with a text."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def samples(metrics: Sequence[Metric] | None) -> dict[str, float]:
    return {sample.name: sample.value for one in metrics or () for sample in one.samples}


def certificate(end: datetime) -> tuple[bytes, bytes]:
    """A self-signed certificate and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=30))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return made.public_bytes(serialization.Encoding.PEM), secret


@contextmanager
def showing(end: datetime, place: Path) -> Iterator[str]:
    """Host and port of a TLS server with a certificate of its own making."""
    paths = place / "cert.pem", place / "key.pem"
    for path, content in zip(paths, certificate(end), strict=True):
        path.write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*paths)
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_stub_status_is_read(neighbours: Neighbours) -> None:
    with answering(STUB_STATUS) as url:
        found = samples(Nginx(url, neighbours).read())
    assert found == {
        "nginx_connections_active": 3,
        "nginx_connections_reading": 0,
        "nginx_connections_writing": 1,
        "nginx_connections_waiting": 2,
        "nginx_connections_accepted_total": 31,
        "nginx_connections_handled_total": 30,
        "nginx_http_requests_total": 290,
    }


def test_another_page_is_an_error(neighbours: Neighbours) -> None:
    with answering("<h1>Welcome</h1>") as url, pytest.raises(SourceError, match="stub_status"):
        Nginx(url, neighbours).read()


def test_a_platform_without_nginx_misses_none(neighbours: Neighbours) -> None:
    assert Nginx("http://nginx:8082/", neighbours).read() is None


@pytest.mark.parametrize(
    "end",
    [
        END,
        datetime(1999, 1, 2, tzinfo=UTC),
        datetime(2055, 1, 2, tzinfo=UTC),
        datetime(2021, 1, 2, tzinfo=UTC),
    ],
)
def test_the_end_of_a_certificate_is_told_whoever_made_it(
    neighbours: Neighbours, tmp_path: Path, end: datetime
) -> None:
    with showing(end, tmp_path) as address:
        found = samples(Certificate(address, neighbours).read())
    assert found == {"tls_certificate_not_after_timestamp_seconds": end.timestamp()}


@pytest.mark.parametrize("cut", [0, 1, 5, 60, 200])
def test_half_a_certificate_is_an_error(cut: int) -> None:
    der = ssl.PEM_cert_to_DER_cert(certificate(END)[0].decode())
    with pytest.raises(SourceError, match="can't be read"):
        not_after(der[:cut])


def test_a_server_without_tls_is_an_error(neighbours: Neighbours) -> None:
    with answering("") as url, pytest.raises(SourceError, match="shows no certificate"):
        Certificate(url.removeprefix("http://").rstrip("/"), neighbours).read()


def test_services_that_the_platform_has_are_asked(neighbours: Neighbours) -> None:
    with answering("OK") as url:
        pages = {"127.0.0.1": url, "feast": "http://127.0.0.1:9/"}
        [up] = Services(pages, neighbours).read()
    assert [(sample.labels["service"], sample.value) for sample in up.samples] == [("127.0.0.1", 1)]


def test_a_service_that_does_not_answer_is_down(neighbours: Neighbours) -> None:
    [up] = Services({"127.0.0.1": "http://127.0.0.1:9/"}, neighbours).read()
    assert [sample.value for sample in up.samples] == [0]


def test_without_the_file_of_containers_names_tell_who_is_there(tmp_path: Path) -> None:
    neighbours = Neighbours(ContainersFile(tmp_path / "missing.prom"))
    assert neighbours.has("localhost")
    assert not neighbours.has("nobody.invalid")


def test_the_file_of_containers_is_passed_on(containers: ContainersFile) -> None:
    assert samples(containers.read()) == {"platform_container_running": 1}


def test_an_old_file_of_containers_is_an_error(tmp_path: Path, containers: ContainersFile) -> None:
    then = time.time() - STALE_SECONDS - 5
    os.utime(tmp_path / "containers.prom", (then, then))
    with pytest.raises(SourceError, match="s old; see the log of run-keeper"):
        containers.read()


RELEASED, FAILED = False, True


@pytest.mark.parametrize(
    ("newest_first", "left"),
    [
        ([("release", "v3", FAILED)], ["v3"]),
        ([("release", "v3", RELEASED), ("release", "v3", FAILED)], []),
        ([("release", "v3", FAILED), ("release", "v3", RELEASED)], ["v3"]),
        ([("release", "v4", RELEASED), ("release", "v3", FAILED)], []),
        ([("deliver", "v3", RELEASED), ("release", "v3", FAILED)], []),
        ([("deliver", "v3", RELEASED), ("release", "v4", FAILED)], ["v4"]),
        ([("deliver", "v3", FAILED), ("release", "v3", RELEASED)], ["v3"]),
        ([("release", "v3", FAILED), ("release", "v3", FAILED)], ["v3"]),
    ],
)
def test_a_release_has_failed_until_it_is_mended(
    newest_first: Sequence[tuple[str, str, bool]], left: Sequence[str]
) -> None:
    runs = [ReleaseRun(job, "iris", version, failed) for job, version, failed in newest_first]
    assert [one.version for one in failed_releases(runs)] == left


def test_another_models_release_mends_nothing() -> None:
    runs = [
        ReleaseRun("release", "oven", "v3", has_failed=False),
        ReleaseRun("release", "iris", "v3", has_failed=True),
    ]
    assert [one.model for one in failed_releases(runs)] == ["iris"]


class Moody:
    """A source that says what it is told to say."""

    name = "moody"

    def __init__(self) -> None:
        self.says: Exception | Sequence[Metric] | None = None

    def read(self) -> Sequence[Metric] | None:
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


@pytest.mark.parametrize("error", [SourceError("is away"), KeyError("a fault of ours")])
def test_a_source_that_fails_is_down_and_its_last_figures_stay(
    caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    source = Moody()
    watch = Watch(source)
    source.says = [GaugeMetricFamily("moody_mood", "How it is.", value=5)]
    watch.look()
    assert samples([*watch.tell()]) == {"moody_up": 1, "moody_mood": 5}
    source.says = error
    with caplog.at_level(logging.INFO):
        watch.look()
        watch.look()
    assert samples([*watch.tell()]) == {"moody_up": 0, "moody_mood": 5}
    assert len(caplog.records) == 1


@pytest.mark.parametrize("fails", [True, False])
def test_figures_without_an_answer_for_long_are_not_told(
    monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    source = Moody()
    watch = Watch(source)
    source.says = [GaugeMetricFamily("moody_mood", "How it is.", value=5)]
    watch.look()
    if fails:
        source.says = SourceError("is away")
        watch.look()
    monkeypatch.setattr(watching, "STALE_SECONDS", 0)
    assert samples([*watch.tell()]) == {"moody_up": 0}


def test_a_source_that_is_well_again_is_told(caplog: pytest.LogCaptureFixture) -> None:
    source = Moody()
    watch = Watch(source)
    source.says = SourceError("is away")
    watch.look()
    source.says = []
    with caplog.at_level(logging.INFO):
        watch.look()
    assert samples([*watch.tell()]) == {"moody_up": 1}
    assert "all is well again" in caplog.text


def test_a_source_that_the_platform_does_not_have_is_not_told() -> None:
    watch = Watch(Moody())
    watch.look()
    assert [*watch.tell()] == []


def test_settings_come_from_the_environment() -> None:
    settings = Settings.from_environment({"DAGSTER_URL": "http://here", "METRICS_PORT": "1"})
    assert (settings.dagster, settings.port) == ("http://here", 1)
    assert Settings.from_environment({"DAGSTER_URL": ""}).dagster == "http://webserver:3070"


def test_the_exporter_lives_where_nobody_answers(tmp_path: Path) -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    nowhere = "http://127.0.0.1:9"
    exporter = subprocess.Popen(
        [sys.executable, "-m", "platform_metrics"],
        cwd=ROOT,
        env={
            **os.environ,
            "METRICS_PORT": str(port),
            "DAGSTER_URL": nowhere,
            "NGINX_STATUS_URL": nowhere,
            "TLS_ADDRESS": "127.0.0.1:9",
            "CONTAINERS_FILE": str(tmp_path / "missing"),
        },
    )
    try:
        found = _scrape(port)
        sources = ("dagster", "platform_containers", "nginx", "tls_certificate")
        assert {found.get(f"{source}_up") for source in sources} == {"0.0"}
        assert found["platform_services_up"] == "1.0"
    finally:
        exporter.terminate()
        assert exporter.wait(10) == 0


def _scrape(port: int) -> dict[str, str]:
    """What the exporter says once it was able to ask everybody."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as connection:
                connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                page = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except OSError:
            page = ""
        lines = [line.split() for line in page.splitlines() if line and line[0] != "#"]
        found = {line[0]: line[-1] for line in lines}
        if found.get("platform_services_up") == "1.0":
            return found
        assert time.monotonic() < deadline, page
        time.sleep(0.2)
