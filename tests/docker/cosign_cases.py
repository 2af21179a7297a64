"""Keys that tests sign with, and the cosign that they do it with."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serving.release.signing import Signer
from tests.docker.engine import engine
from tests.docker.image_cases import BASE

needs_cosign = pytest.mark.usefixtures("cosign")
RELEASE_IMAGE = BASE.replace("ml-assets-serve:", "ml-assets-release:")


@contextmanager
def cosign_on_path(scratch: Path) -> Iterator[None]:
    """Lets there be a cosign: this machine's, or else a copy of the one that releases run.

    Args:
        scratch: An empty directory for the copy.
    """
    if shutil.which("cosign"):
        yield
        return
    if sys.platform != "linux":
        pytest.skip("install cosign; the one in the image of the release is for Linux alone")
    container = engine("create", RELEASE_IMAGE)
    try:
        engine("cp", f"{container}:/usr/bin/cosign", str(scratch))
    finally:
        engine("rm", container)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{scratch}:{os.environ['PATH']}")
        yield


def make_key(directory: Path, name: str = "development") -> Signer:
    """A key of cosign without a password."""
    directory.mkdir(parents=True, exist_ok=True)
    command = ["cosign", "generate-key-pair", f"--output-key-prefix={directory / name}"]
    environment = {**os.environ, "COSIGN_PASSWORD": ""}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return Signer(str(directory / f"{name}.key"))
