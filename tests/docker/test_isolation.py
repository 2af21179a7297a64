"""Where an image is proved: hardened, without a way out, and nothing is left of it afterwards."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serving.golden import GoldenRequest, write_golden
from serving.release.image import ServiceImage
from serving.release.isolation import OWNER, Isolated, isolated, remove_leftovers
from serving.release.packaging import BuiltBento
from serving.release.parity import ParityError, prove
from tests.conftest import ROOT
from tests.docker.engine import engine
from tests.docker.image_cases import BASE, FAMILY, LABELS

pytestmark = pytest.mark.docker


RELEASE = BASE.replace("ml-assets-serve:", "ml-assets-release:")
SOCKET = "/var/run/docker.sock"
LEAVE = """
import errno, socket
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
except OSError as error:
    print(errno.errorcode.get(error.errno))
"""
ISOLATE = """
import sys, time
from serving.release.isolation import isolated
with isolated(sys.argv[1]):
    print("isolated", flush=True)
    time.sleep(600)
"""
RELEASE_IT = """
import json, sys
from pathlib import Path
from serving.golden import read_golden
from serving.release.image import build_image
from serving.release.packaging import BuiltBento
from serving.release.parity import prove
name, base, labels = sys.argv[1:]
bento = BuiltBento("oven:v3", Path("/bento"))
image = build_image(bento, name=name, base=base, labels=json.loads(labels))
golden = read_golden(Path("/golden").read_bytes())
print(image.id, prove(image, golden, ready_seconds=15).requests)
"""


def used_by(process: int) -> list[str]:
    """Containers and networks of the proofs of a process of this host."""
    owner = f"--filter=label={OWNER}={socket.gethostname()}/{process}"
    listings = (("container", "ls", "--all"), ("network", "ls"))
    return [one for words in listings for one in engine(*words, "--quiet", owner).split()]


@contextmanager
def other_process(image: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has a service isolated, until it is killed."""
    command = [sys.executable, "-c", ISOLATE, image]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "isolated\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def service(oven_image: ServiceImage) -> Iterator[Isolated]:
    with isolated(oven_image.id) as service:
        yield service


def test_the_container_has_no_rights_and_limits(service: Isolated) -> None:
    [found] = json.loads(engine("container", "inspect", service.container))
    host = found["HostConfig"]
    assert found["Config"]["User"] == "1000"
    assert (host["ReadonlyRootfs"], host["Tmpfs"]) == (True, {"/tmp": ""})  # noqa: S108  in the container
    assert (host["CapDrop"], host["SecurityOpt"]) == (["ALL"], ["no-new-privileges"])
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (2 << 30, 2 << 30, 256)
    assert (host["PortBindings"], host["Binds"], host["Privileged"]) == ({}, None, False)


def test_the_network_has_no_way_out(service: Isolated) -> None:
    networks = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}"
    [network] = engine("container", "inspect", f"--format={networks}", service.container).split()
    assert engine("network", "inspect", "--format={{.Internal}}", network) == "true"
    assert engine("exec", service.container, "python", "-c", LEAVE) == "ENETUNREACH"


def test_an_error_leaves_nothing_behind(oven_image: ServiceImage) -> None:
    with pytest.raises(ZeroDivisionError), isolated(oven_image.id) as service:
        assert service.container[:12] in used_by(os.getpid())
        raise ZeroDivisionError
    assert engine("container", "ls", "--all", "--quiet", f"--filter=id={service.container}") == ""


def test_a_proof_leaves_nothing_behind(
    oven_image: ServiceImage, oven_golden: list[GoldenRequest]
) -> None:
    before = used_by(os.getpid())
    with pytest.raises(ParityError, match="is not ready after 0 s"):
        prove(oven_image, oven_golden, ready_seconds=0)
    assert used_by(os.getpid()) == before


def test_what_a_killed_proof_left_is_removed_by_the_next(oven_image: ServiceImage) -> None:
    with other_process(oven_image.id) as process:
        assert len(used_by(process.pid)) == 2
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(used_by(process.pid)) == 2
        remove_leftovers()
        assert used_by(process.pid) == []


def test_what_a_living_proof_uses_is_left_alone(oven_image: ServiceImage) -> None:
    with other_process(oven_image.id) as process:
        remove_leftovers()
        assert len(used_by(process.pid)) == 2
    remove_leftovers()


@pytest.mark.parametrize("is_running", [True, False])
def test_a_proof_in_a_container_lives_as_long_as_that(is_running: bool) -> None:
    command = "sleep" if is_running else "true"
    host = engine("run", "--detach", "--entrypoint=", BASE, command, "60")[:12]
    network = engine("network", "create", f"--label={OWNER}={host}/1", f"{FAMILY}-{is_running}")
    engine("network", "connect", network, host)
    try:
        remove_leftovers()
        left = engine("network", "ls", "--quiet", f"--filter=id={network}")
        assert bool(left) == is_running
    finally:
        engine("container", "rm", "--force", host)
        remove_leftovers()


@pytest.fixture
def release_it(
    oven_bento: BuiltBento,
    oven_image: ServiceImage,
    oven_golden: list[GoldenRequest],
    tmp_path: Path,
) -> list[str]:
    """What `docker run` needs to release the oven in a container of the release's image."""
    write_golden(oven_golden, tmp_path / "golden")
    mounts: dict[object, str] = {
        SOCKET: SOCKET,
        oven_bento.path: "/bento",
        tmp_path / "golden": "/golden",
        ROOT / "serving": "/app/serving",
        ROOT / "ml_assets": "/app/ml_assets",
    }
    volumes = [f"--volume={here}:{there}:ro" for here, there in mounts.items()]
    command = ["python", "-c", RELEASE_IT, oven_image.name, BASE, json.dumps(LABELS)]
    return ["--rm", "--user=0", *volumes, RELEASE, *command]


def test_a_process_in_a_container_releases_too(
    oven_image: ServiceImage, release_it: list[str]
) -> None:
    assert engine("run", *release_it) == f"{oven_image.id} 500"


def test_a_process_in_a_container_leaves_the_proofs_of_its_host_alone(
    oven_image: ServiceImage, release_it: list[str]
) -> None:
    with other_process(oven_image.id) as process:
        assert engine("run", *release_it) == f"{oven_image.id} 500"
        assert len(used_by(process.pid)) == 2
    remove_leftovers()


def test_a_service_that_cannot_be_reached_from_here_is_not_to_blame(release_it: list[str]) -> None:
    command = ["docker", "run", "--hostname=elsewhere", *release_it]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "EngineError: " in ended.stderr
    assert "can't be reached from here" in ended.stderr
