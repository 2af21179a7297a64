"""A platform with two releases, and customers who got both."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from commands.platform import News
from commands.versions import launch_on
from ml_assets.resources.version_files import RegisteredVersion
from serving.release.partitions import partition_key
from tests.conftest import ROOT
from tests.docker.delivery_cases import RegistryCase
from tests.docker.engine import engine
from tests.docker.platform import PlatformCase
from tests.docker.release_cases import ReleaseCase

FLIP = """
import sys
from pathlib import Path
(path,) = Path("/var/lib/ml_assets/releases").glob(sys.argv[1] + "/*.tar")
with path.open("r+b") as file:
    at = file.read().index(b'omFormat": "CycloneDX"') - 1
    file.seek(at)
    byte = file.read(1)[0]
    file.seek(at)
    file.write(bytes([byte ^ 1]))
"""
TAGS = "/var/lib/registry/docker/registry/v2/repositories/iris/_manifests/tags"


@dataclass(frozen=True)
class RollbackCase:
    """A platform with two releases, and two customers who got both.

    Attributes:
        case: The versions of the model.
        first: The one that was released first.
        second: The one after it.
        acme: The registry of a customer.
    """

    case: ReleaseCase
    first: RegisteredVersion
    second: RegisteredVersion
    acme: RegistryCase

    @property
    def platform(self) -> PlatformCase:
        """The platform."""
        return self.case.platform

    def launch(self, version: RegisteredVersion) -> str:
        """Launches the return to a version, as `make rollback` does."""
        config = {"ops": {"rollback": {"config": {"who": "me@here", "reason": "a test"}}}}
        return launch_on(version, "roll_back", config, platform=self.platform.dagster)

    def to(self, version: RegisteredVersion) -> News:
        """Goes back to a version."""
        return self.platform.wait_for_end(self.launch(version))

    def refusal(self, version: RegisteredVersion) -> str:
        """Why there is no return to a version; production stays where it was."""
        before = self.case.live.version
        news = self.to(version)
        assert news.status == "FAILURE"
        assert self.case.live.version == before
        return complaint(news)

    def digest(self, version: RegisteredVersion) -> str:
        """What a version was released as."""
        return self.case.tags(version)["image_digest"]

    def make(self, *goals: str) -> str:
        """What `make` prints, asked about this platform."""
        settings = [f"{name}={value}" for name, value in self.platform.settings.items()]
        ended = subprocess.run(
            ["make", "--silent", *goals, *settings],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    @property
    def ledger(self) -> list[dict[str, Any]]:
        """The lines of the ledger."""
        lines: list[dict[str, Any]] = json.loads(self.make("ledger", "JSON=1"))
        return lines


def complaint(news: News) -> str:
    """What the failed step of a run says."""
    told = [
        event["failureMetadata"]["description"]
        for event in news.events
        if event["__typename"] == "ExecutionStepFailureEvent" and event["failureMetadata"]
    ]
    return "\n".join(told)


@contextmanager
def flipped(case: RollbackCase, version: RegisteredVersion) -> Iterator[None]:
    """Flips a byte in the bundle of a version, and flips it back."""
    volume = f"--volume={case.platform.name}-releases:/var/lib/ml_assets"
    image = engine("inspect", "--format={{.Config.Image}}", case.platform.container("code-release"))
    command = ("run", "--rm", volume, image, "python", "-c", FLIP, f"iris/v{version.version}")
    engine(*command)
    try:
        yield
    finally:
        engine(*command)


@contextmanager
def unsigned(case: RollbackCase, digest: str) -> Iterator[None]:
    """Takes the signature of an image out of our registry, and puts it back."""
    registry, tag = case.platform.container("registry"), f"{digest.replace(':', '-')}.sig"
    engine("exec", registry, "mv", f"{TAGS}/{tag}", f"/var/lib/registry/{tag}")
    try:
        yield
    finally:
        engine("exec", registry, "mv", f"/var/lib/registry/{tag}", f"{TAGS}/{tag}")


def key_of(version: RegisteredVersion) -> str:
    """The partition of a version."""
    return partition_key(version.name, version.version)
