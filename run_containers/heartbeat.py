"""The sign of life that the run keeper leaves for its health check."""

import tempfile
import time
from pathlib import Path

STALE_SECONDS = 30


def heartbeat_path() -> Path:
    """The file whose time of change is the end of the last round that succeeded."""
    return Path(tempfile.gettempdir(), "run-keeper.heartbeat")


def beat() -> None:
    """Says that a round succeeded just now."""
    heartbeat_path().touch()


def forget() -> None:
    """Takes back what a keeper before this one said."""
    heartbeat_path().unlink(missing_ok=True)


def is_fresh() -> bool:
    """Whether a round succeeded in the last ``STALE_SECONDS`` seconds."""
    try:
        return time.time() - heartbeat_path().stat().st_mtime <= STALE_SECONDS
    except FileNotFoundError:
        return False
