"""Feast's own feature server, over the state of a test."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from serving.release.probe import free_ports
from tests.integration.workplace import ROOT

READY_SECONDS = 60


def feast_environment(home: Path) -> dict[str, str]:
    """What Feast's command line needs for the stores in a directory."""
    return {
        **os.environ,
        "FEAST_REGISTRY": f"sqlite:///{home}/registry.db",
        "FEAST_ONLINE_STORE": f"{{type: sqlite, path: {home}/online.db}}",
        "PYTHONPATH": str(ROOT),
    }


def feast_command() -> list[str]:
    """Feast's command line on our repository."""
    return [str(Path(sys.executable).with_name("feast")), "-c", "ml_assets/feature_repo"]


@contextmanager
def serving_features(home: Path, *, log: Path) -> Iterator[str]:
    """Runs `feast serve` until the block ends.

    Args:
        home: Directory of the stores.
        log: Where to write what it prints.

    Yields:
        Its address.
    """
    (port,) = free_ports(1)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*feast_command(), "serve", "--port", str(port)],
            cwd=ROOT,
            env=feast_environment(home),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not _is_well(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield url
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _is_well(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
