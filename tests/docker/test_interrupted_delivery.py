"""What can't be written whole is not there, and what was there before is whole."""

import os
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from serving.release.bundle.signed_files import file_sha256
from tests.conftest import ROOT
from tests.docker.cosign_cases import RELEASE_IMAGE, needs_cosign
from tests.docker.office import Office
from tests.docker.platform import until
from tests.docker.small_releases import SmallRelease, small_settings, two_releases

pytestmark = [pytest.mark.docker, needs_cosign]

HAND_OVER = """
import sys
from pathlib import Path
from serving.release.bundle.facts import ReleaseFacts
from serving.release.bundle.signed_files import file_sha256
from serving.release.delivery.customers import Customer
from serving.release.delivery.handover import Handover
from serving.release.registries import Repository
from serving.release.signing import PublicKey
from serving.runtime.errors import MLAssetsError

deliveries, *releases = sys.argv[1:]
try:
    for bundle, facts in zip(releases[::2], releases[1::2]):
        Handover(
            facts=ReleaseFacts.model_validate_json(facts),
            bundle=Path(bundle),
            source=Repository("nowhere"),
            key=PublicKey(b""),
            deliveries=Path(deliveries),
        ).to(Customer(name="files", models=["*"], directory="files"))
except MLAssetsError as error:
    print(error, file=sys.stderr)
for path in sorted(Path(deliveries, "files", "oven").glob("*")):
    print(path.name, file_sha256(path))
"""


@pytest.fixture(scope="module")
def shelf(
    cosign: None, _small_images: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[SmallRelease, SmallRelease]:
    """Two versions that no registry has, as files need none."""
    return two_releases(small_settings(tmp_path_factory.mktemp("shelf"), registry="nowhere"))


class TestInterrupted:
    """What can't be written whole is not there, and what was there before is whole."""

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ("size=8k,uid=1000", "no space left to write /deliveries/files/oven/oven-v1"),
            ("size=1m,mode=755", "/deliveries/files/oven can't be written: Permission denied"),
        ],
        ids=["full", "not writable"],
    )
    def test_a_directory_that_cannot_be_written_is_told(
        self, office: Office, options: str, reason: str
    ) -> None:
        ended = in_container(options, office.v1)
        assert reason in ended.stderr
        assert ended.stdout == ""

    def test_a_full_directory_keeps_the_bundle_before(self, office: Office) -> None:
        pages = office.v1.archive.stat().st_size * 3 // 2 // 4096
        ended = in_container(f"size={pages * 4}k,uid=1000", office.v1, office.v2)
        assert "no space left to write /deliveries/files/oven/oven-v2" in ended.stderr
        name = office.v1.archive.name
        channel = sha256(f"{name}\n".encode()).hexdigest()
        assert dict(line.split() for line in ended.stdout.splitlines()) == {
            name: file_sha256(office.v1.archive),
            "stable": channel,
        }

    def test_a_killed_writer_leaves_nothing_that_looks_finished(
        self, office: Office, tmp_path: Path
    ) -> None:
        office.serve(files="files")
        kill_in_the_middle(office, scratch=tmp_path)
        (left,) = office.files()
        assert left.startswith(".")
        assert left.endswith("~")
        assert office.deliver(office.v1).failures == {}
        name, whole = office.v1.archive.name, office.v1.archive.read_bytes()
        assert office.files() == {name: whole, "stable": f"{name}\n".encode()}


def in_container(disk: str, *releases: SmallRelease) -> subprocess.CompletedProcess[str]:
    """Delivers to a directory on a disk in memory, as the user of the release."""
    paths = {release: f"/bundles/{release.archive.name}" for release in releases}
    for release in releases:
        release.archive.chmod(0o644)  # the container has another user
    mounts = {
        ROOT / "serving": "/app/serving",
        ROOT / "ml_assets": "/app/ml_assets",
        **{release.archive: path for release, path in paths.items()},
    }
    volumes = [f"--volume={here}:{there}:ro" for here, there in mounts.items()]
    options = ("--rm", "--network=none", f"--tmpfs=/deliveries:{disk}", *volumes)
    command = ["docker", "run", *options, RELEASE_IMAGE, "python", "-c", HAND_OVER, "/deliveries"]
    for release, path in paths.items():
        command += [path, release.facts.model_dump_json()]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def kill_in_the_middle(office: Office, *, scratch: Path) -> None:
    """Kills a process that delivers a bundle to a directory of which it has a part."""
    pipe = scratch / office.v1.archive.name
    os.mkfifo(pipe)
    facts = office.v1.facts.model_dump_json()
    command = [sys.executable, "-c", HAND_OVER, str(office.settings.deliveries), str(pipe), facts]
    with subprocess.Popen(command, cwd=ROOT) as process, pipe.open("wb") as half:
        half.write(bytes(1 << 20))
        half.flush()
        until(lambda: any(office.files().values()), seconds=30, what="half a bundle")
        process.send_signal(signal.SIGKILL)
        process.wait()
