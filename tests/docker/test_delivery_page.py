"""What docs/delivery.md tells a customer with a registry to type is enough, and can fail."""

import subprocess
from pathlib import Path

import pytest

from serving.release.bundle.archive import read_member
from serving.release.bundle.signed_files import KEY
from tests.docker.cosign_cases import make_key, needs_cosign
from tests.docker.delivery_cases import RegistryCase
from tests.docker.office import Office
from tests.docker.small_releases import MODEL
from tests.documents import blocks

pytestmark = [pytest.mark.docker, needs_cosign]


@pytest.fixture
def commands(office: Office, acme: RegistryCase) -> list[str]:
    """The commands of the page, about a release that a registry has."""
    office.serve(acme=acme)
    assert office.deliver(office.v1).failures == {}
    [shown] = (block for block in blocks("docs/delivery.md") if block.startswith("cosign"))
    there = f"{acme.address}/{office.in_registry}@{office.v1.facts.image_digest}"
    told = shown.replace("registry.acme.example/models/iris@sha256:...", there)
    return told.replace("model=iris", f"model={MODEL}").splitlines()


def ended(command: str, place: Path) -> int:
    return subprocess.run(["sh", "-c", command], cwd=place, check=False).returncode


def test_its_commands_verify_what_was_delivered(
    office: Office, commands: list[str], tmp_path: Path
) -> None:
    (tmp_path / KEY).write_bytes(read_member(office.v1.archive, KEY))
    assert [ended(command, tmp_path) for command in commands] == [0, 0, 0]


def test_its_commands_refuse_another_key(commands: list[str], tmp_path: Path) -> None:
    (tmp_path / KEY).write_bytes(make_key(tmp_path / "keys").public_key().pem)
    assert 0 not in [ended(command, tmp_path) for command in commands]
