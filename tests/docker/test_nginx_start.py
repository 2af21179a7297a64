"""What nginx needs to start, and what it says without it."""

import ssl
import subprocess
from pathlib import Path

import pytest

from tests.docker.nginx_cases import (
    API_TLS,
    PASSWORD,
    SETTINGS,
    UI,
    NginxCase,
    refused_start,
    running_nginx,
)

pytestmark = pytest.mark.docker

WEAK = ("admin", "password", "mlflow_password", "elevenchars", "aaaabbbbccccdddd", "long-user-name")
OWN = "/etc/nginx/certificates"


def make_certificate(place: Path, *, name: str = "models.example.org") -> None:
    """A certificate with its key, which every user may read."""
    place.mkdir(parents=True, exist_ok=True)
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9"]
    files = ["-keyout", place / "tls.key", "-out", place / "tls.crt"]
    subprocess.run([*command, *files, "-subj", f"/CN={name}"], check=True, capture_output=True)
    (place / "tls.key").chmod(0o644)
    place.chmod(0o755)


def mounted(place: Path) -> str:
    return f"--volume={place}:{OWN}:ro"


def shown_certificate(nginx: NginxCase) -> bytes:
    """The certificate of its port for TLS, in DER."""
    context = ssl._create_unverified_context()  # noqa: S323  its certificate is its own
    with nginx.open(API_TLS) as plain, context.wrap_socket(plain) as connection:
        found = connection.getpeercert(binary_form=True)
    assert found
    return found


def handshake(nginx: NginxCase, version: ssl.TLSVersion) -> str | None:
    """The version of TLS that a client which speaks one only gets."""
    context = ssl._create_unverified_context()  # noqa: S323  its certificate is its own
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with nginx.open(API_TLS) as plain, context.wrap_socket(plain) as connection:
        return connection.version()


def test_without_a_password_it_does_not_start_outside_of_development() -> None:
    said = refused_start(APP_ENV="production")
    assert "MLFLOW_UI_PASSWORD is not set" in said
    assert "openssl rand -hex 24" in said
    assert "MLFLOW_UI_PASSWORD" in refused_start()


@pytest.mark.parametrize("password", WEAK)
def test_a_weak_password_does_not_open_mlflows_page(password: str) -> None:
    said = refused_start(MLFLOW_UI_USER="long-user-name", MLFLOW_UI_PASSWORD=password)
    assert "MLFLOW_UI_PASSWORD is a default" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RATE_LIMIT", "fast"),
        ("RATE_BURST", "0"),
        ("MAX_BODY_BYTES", "8m"),
        ("TRUSTED_PROXIES", "10.0.0.0/8;"),
        ("MLFLOW_UI_USER", "a:b"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    said = refused_start(**{**SETTINGS, name: value})
    assert name in said
    assert value in said


def test_in_development_mlflows_page_is_open_unless_there_is_a_password() -> None:
    with running_nginx(APP_ENV="development", MLFLOW_UI_PASSWORD="") as nginx:
        assert nginx.ask("/", port=UI).status == 502
    with running_nginx(APP_ENV="development", MLFLOW_UI_PASSWORD=PASSWORD[:5]) as nginx:
        assert nginx.ask("/", port=UI).status == 401


def test_a_proxy_that_is_trusted_tells_the_address_of_its_client() -> None:
    with running_nginx(TRUSTED_PROXIES="10.0.0.0/8, 172.16.0.0/12,192.168.0.0/16") as nginx:
        nginx.ask("/", X_Forwarded_For="198.51.100.7, 203.0.113.9")
        assert nginx.log()[-1]["client"] == "203.0.113.9"


def test_tls_begins_with_1_2_and_the_self_signed_certificate_stays() -> None:
    with running_nginx() as nginx:
        assert handshake(nginx, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
        assert handshake(nginx, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
        with pytest.raises(ssl.SSLError), pytest.warns(DeprecationWarning, match="TLSv1_1"):
            handshake(nginx, ssl.TLSVersion.TLSv1_1)
        before = shown_certificate(nginx)
        nginx.restart()
        assert shown_certificate(nginx) == before


def test_a_certificate_of_ones_own_is_used(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    with running_nginx(mounted(tmp_path)) as nginx:
        pem = (tmp_path / "tls.crt").read_text()
        assert shown_certificate(nginx) == ssl.PEM_cert_to_DER_cert(pem)


def test_a_key_that_nginx_cannot_read_is_named(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    (tmp_path / "tls.key").chmod(0o600)
    said = refused_start(mounted(tmp_path), **SETTINGS)
    assert f"uid 101, as which nginx runs, can't read {OWN}/tls.key" in said
    assert "sudo chown 101 tls.key && sudo chmod 400 tls.key" in said


def test_a_key_of_another_certificate_is_told(tmp_path: Path) -> None:
    make_certificate(tmp_path / "other")
    make_certificate(tmp_path)
    (tmp_path / "other" / "tls.key").replace(tmp_path / "tls.key")
    assert "is not the key of" in refused_start(mounted(tmp_path), **SETTINGS)


def test_a_certificate_without_a_key_is_not_passed_over(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    (tmp_path / "tls.key").unlink()
    assert f"{OWN}/tls.key is missing" in refused_start(mounted(tmp_path), **SETTINGS)
