"""Which code and which locked environment a model came from."""

import hashlib
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK_FILE = ROOT / "requirements" / "train.txt"


def git_commit() -> str:
    """The commit of the code: ``GIT_COMMIT`` in an image, else git's; with ``-dirty`` if changed.

    Empty where neither is known.
    """
    return os.environ.get("GIT_COMMIT") or _git("describe", "--always", "--dirty", "--abbrev=40")


def lock_sha256() -> str:
    """The sha256 of the training environment's lock file; empty where it is not at hand."""
    return hashlib.sha256(LOCK_FILE.read_bytes()).hexdigest() if LOCK_FILE.exists() else ""


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(ROOT), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
