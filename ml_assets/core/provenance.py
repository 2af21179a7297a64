"""Which code and which locked environment a model came from."""

import hashlib
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEFAULT_LOCK = ROOT / "requirements" / "dev.txt"


def git_commit() -> str:
    """The commit of the code: ``GIT_COMMIT`` in an image, else git's; with ``-dirty`` if changed.

    Empty where neither is known.
    """
    return os.environ.get("GIT_COMMIT") or _git("describe", "--always", "--dirty", "--abbrev=40")


def lock_sha256() -> str:
    """The sha256 of the lock file that the environment was installed from.

    ``ML_ASSETS_LOCK`` names it; by default it is the one that `make` installs. Empty where it is
    not at hand.
    """
    lock = Path(os.environ.get("ML_ASSETS_LOCK") or DEFAULT_LOCK)
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else ""


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
