"""Keeps the newest bundles of a model and forgets the others, which are large."""

import logging
import re
from collections.abc import Container
from pathlib import Path

from pydantic import ValidationError

from serving.release.records import BUNDLE, BundleRecord

_log = logging.getLogger(__name__)


def forget_old_bundles(releases: Path, *, keep: int, needed: Container[int]) -> list[Path]:
    """Removes the files of a model's older bundles; what is known of their releases stays.

    A version keeps the one bundle that its record names, and none that was replaced.

    Args:
        releases: Directory of the model's releases, with one directory for each version.
        keep: How many of the newest versions keep their bundle.
        needed: Versions that keep it all the same.

    Returns:
        The files that were removed.
    """
    bundles = {path: _version(path) for path in sorted(releases.glob("v*/*.tar"))}
    newest = sorted({*bundles.values()}, reverse=True)[:keep]
    old = [
        path
        for path, version in bundles.items()
        if _is_replaced(path) or (version not in newest and version not in needed)
    ]
    for path in old:
        _log.info("removing %s: one bundle of the newest %d versions is kept", path.name, keep)
        path.unlink(missing_ok=True)
    return old


def _is_replaced(bundle: Path) -> bool:
    """Whether another one was made and noted since; one that is just being made is noted last."""
    record = bundle.with_name(BUNDLE)
    try:
        named = BundleRecord.model_validate_json(record.read_bytes()).file
        is_older = bundle.stat().st_mtime_ns < record.stat().st_mtime_ns
    except (OSError, ValidationError):
        return False
    return named != bundle.name and is_older


def _version(bundle: Path) -> int:
    found = re.fullmatch(r"v(\d+)", bundle.parent.name)
    return int(found[1]) if found else 0
