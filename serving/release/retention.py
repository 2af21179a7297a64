"""Keeps the newest bundles of a model and forgets the others, which are large."""

import logging
import re
from collections.abc import Container
from pathlib import Path

_log = logging.getLogger(__name__)


def forget_old_bundles(releases: Path, *, keep: int, needed: Container[int]) -> list[Path]:
    """Removes the files of a model's older bundles; what is known of their releases stays.

    Args:
        releases: Directory of the model's releases, with one directory for each version.
        keep: How many of the newest are kept.
        needed: Versions that are kept all the same.

    Returns:
        The files that were removed.
    """
    newest_first = sorted(releases.glob("v*/*.tar"), key=_version, reverse=True)
    old = [bundle for bundle in newest_first[keep:] if _version(bundle) not in needed]
    for bundle in old:
        _log.info("removing %s: the newest %d bundles are kept", bundle.name, keep)
        bundle.unlink(missing_ok=True)
    return old


def _version(bundle: Path) -> int:
    found = re.fullmatch(r"v(\d+)", bundle.parent.name)
    return int(found[1]) if found else 0
