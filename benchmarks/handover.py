"""What a customer gets and does: the bundle, its check, and the way back to an earlier one."""

import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from benchmarks.own_platform import OwnPlatform
from serving.release.bundle.facts import RELEASE, ReleaseFacts

CUSTOMER = "benchmark"


@dataclass(frozen=True)
class HandoverTimes:
    """What a bundle takes on its customer's machine.

    Attributes:
        bytes: Size of its file, image included.
        verify_seconds: What ``verify.sh`` takes.
        golden_seconds: What it takes with the golden requests.
    """

    bytes: int
    verify_seconds: float
    golden_seconds: float


def add_customer(platform: OwnPlatform) -> None:
    """Has every release of a platform delivered into a directory."""
    customer = {"name": CUSTOMER, "models": ["*"], "directory": CUSTOMER}
    (platform.home / "customers.yaml").write_text(yaml.safe_dump({"customers": [customer]}))


def check(platform: OwnPlatform, model: str) -> HandoverTimes:
    """Unpacks the bundle that was delivered last, and checks it as its customer would."""
    place = platform.home / "delivery" / CUSTOMER / model
    bundle = place / (place / "stable").read_text(encoding="utf-8").strip()
    with _unpacked(bundle) as directory:
        facts = ReleaseFacts.model_validate_json((directory / RELEASE).read_bytes())
        command = (directory / "verify.sh", "--key", facts.key_fingerprint)
        verify, golden = _seconds(*command), _seconds(*command, "--golden")
    return HandoverTimes(bundle.stat().st_size, verify, golden)


def roll_back(platform: OwnPlatform, model: str, *, to: int) -> float:
    """Goes back to a version; returns what the whole command takes, in seconds."""
    started = time.monotonic()
    command = ("python", "-m", "commands", "rollback", model, "--to", str(to))
    platform.compose("run", "--rm", "--no-deps", "train", *command)
    return time.monotonic() - started


@contextmanager
def _unpacked(bundle: Path) -> Iterator[Path]:
    with TemporaryDirectory() as place, tarfile.open(bundle) as tar:
        tar.extractall(place, filter="data")
        (directory,) = Path(place).iterdir()
        yield directory


def _seconds(*command: str | Path) -> float:
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started
