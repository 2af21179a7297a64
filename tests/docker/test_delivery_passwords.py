"""A registry that asks for a password gets it from Docker's configuration; nobody is told it."""

import json
import os
import shutil
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docker.cosign_cases import needs_cosign
from tests.docker.delivery_cases import RegistryCase, running_registry
from tests.docker.office import Office

pytestmark = [pytest.mark.docker, needs_cosign]

USER, PASSWORD = "acme", "correct horse"
HTPASSWD = f"{USER}:$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"
REFUSED = "the registry does not let you in; its credentials belong into"
RECORDING = """#!/bin/sh
echo "$@" >> {log}
exec {cosign} "$@"
"""


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryCase]:
    """A registry that lets in one user."""
    place = tmp_path_factory.mktemp("locked")
    (place / "htpasswd").write_text(HTPASSWD)
    options = (
        "--env=REGISTRY_AUTH=htpasswd",
        "--env=REGISTRY_AUTH_HTPASSWD_REALM=locked",
        "--env=REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd",
        f"--volume={place}:/auth:ro",
    )
    with running_registry(*options) as case:
        yield case


class TestPassword:
    """A registry that asks for a password."""

    @pytest.fixture
    def log_in(
        self, office: Office, locked: RegistryCase, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[str], None]:
        """Writes credentials where `docker login` does."""
        office.serve(locked=locked)
        place = office.home / "registry-auth"
        place.mkdir()
        monkeypatch.setenv("DOCKER_CONFIG", str(place))

        def log_in(password: str) -> None:
            auths = {locked.address: {"auth": encoded(password)}}
            (place / "config.json").write_text(json.dumps({"auths": auths}))

        return log_in

    @pytest.fixture
    def arguments(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A file with the arguments of every cosign that runs, which `ps` would show."""
        log, wrapper = tmp_path / "arguments", tmp_path / "bin" / "cosign"
        wrapper.parent.mkdir()
        wrapper.write_text(RECORDING.format(log=log, cosign=shutil.which("cosign")))
        wrapper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
        return log

    def test_none_are_a_clear_error(self, office: Office, log_in: Callable[[str], None]) -> None:
        assert REFUSED in office.deliver(office.v1).complaint

    @pytest.mark.parametrize(("password", "served"), [(PASSWORD, ["locked"]), ("wrong horse", [])])
    def test_only_right_ones_let_in_and_none_are_told(
        self,
        office: Office,
        log_in: Callable[[str], None],
        arguments: Path,
        caplog: pytest.LogCaptureFixture,
        password: str,
        served: list[str],
    ) -> None:
        log_in(password)
        with caplog.at_level("DEBUG"):
            outcome = office.deliver(office.v1)
        assert [*outcome.places] == served
        assert (REFUSED in outcome.complaint) == (not served)
        told = "\n".join([str(outcome), outcome.complaint, caplog.text, arguments.read_text()])
        assert "/oven" in arguments.read_text()
        assert password not in told
        assert encoded(password) not in told


def encoded(password: str) -> str:
    """Credentials as Docker's configuration holds them."""
    return b64encode(f"{USER}:{password}".encode()).decode()
