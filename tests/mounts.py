"""Code that runs where a disk is small, or can't be written."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.conftest import ROOT

OWN_MOUNTS = ("unshare", "--map-root-user", "--mount", "sh", "-ec")
SECONDS = 300


def small_disk(place: Path, size: str) -> str:
    """The command that mounts a disk in memory."""
    return f"mount -t tmpfs -o size={size} tmpfs {place}"


def read_only(place: Path) -> str:
    """The commands that let nobody write a directory."""
    return f"mount --bind {place} {place}; mount -o remount,bind,ro {place}"


def run_mounted(
    mount: str, code: str, *arguments: str | Path, **settings: str | Path
) -> subprocess.CompletedProcess[str]:
    """Runs code in a process that sees file systems of its own.

    Args:
        mount: What mounts them; where that is not allowed, the test is skipped.
        code: What is run, in Python.
        arguments: Its arguments.
        settings: More variables of its environment.
    """
    _skip_unless_allowed(mount)
    run = ("sh", sys.executable, "-c", textwrap.dedent(code), *arguments)
    variables = {name: str(value) for name, value in settings.items()}
    return subprocess.run(
        [*OWN_MOUNTS, f'{mount}; exec "$@"', *run],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def _skip_unless_allowed(mount: str) -> None:
    # By a shell, as there may be no unshare.
    command = ["sh", "-c", 'exec "$@"', "sh", *OWN_MOUNTS, mount]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {tried.stderr.strip()}")
