"""Holds a process to a share of one core, by a control group of Linux (version 1 or 2)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from serving.runtime.errors import MLAssetsError

GROUPS = Path("/sys/fs/cgroup")
PERIOD = 10_000
"""Microseconds; in each of them a process computes for its share."""


class QuotaError(MLAssetsError):
    """This system lets us hold no process to a share."""


@contextmanager
def limited(process: psutil.Process, *, core: int, share: float) -> Iterator[None]:
    """Holds a process to a share of one core until the block ends; it may end before.

    Raises:
        QuotaError: This system has no control groups, or does not let us make one.
    """
    group = _parent() / f"ml-assets-benchmark-{process.pid}"
    try:
        group.mkdir()
    except OSError as error:
        raise QuotaError(f"{group} can't be made ({error.strerror})") from error
    try:
        _limit(process, group, share=share)
        for thread in process.threads():
            os.sched_setaffinity(thread.id, {core})
        yield
    finally:
        for left in (group / "cgroup.procs").read_text().split():
            (group.parent / "cgroup.procs").write_text(left)
        group.rmdir()


def _parent() -> Path:
    return GROUPS if (GROUPS / "cgroup.controllers").exists() else GROUPS / "cpu"


def _limit(process: psutil.Process, group: Path, *, share: float) -> None:
    quota = round(share * PERIOD)
    limits = {"cpu.cfs_period_us": f"{PERIOD}", "cpu.cfs_quota_us": f"{quota}"}
    if group.parent == GROUPS:
        limits = {"cpu.max": f"{quota} {PERIOD}"}
    try:
        for name, limit in limits.items():
            (group / name).write_text(limit)
        (group / "cgroup.procs").write_text(str(process.pid))
    except OSError as error:
        raise QuotaError(f"{group} takes no quota ({error.strerror})") from error
