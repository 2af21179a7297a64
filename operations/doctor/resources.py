"""Is there room on the disks, and memory, and do the clocks agree?"""

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from operations.doctor.findings import Finding, ok, problem, warning
from operations.project import Project

GB = 10**9
DISK_NEEDED, DISK_WANTED = 3 * GB, 15 * GB
"""Images take about 5 GB, a run and a backup some more."""
PROJECT_NEEDED, PROJECT_WANTED = GB // 2, 2 * GB
MEMORY_NEEDED, MEMORY_WANTED = 3 * GB, 6 * GB
"""Idle, all services take up to 2.5 GB; a run of the models that ship, about 1 GB."""
CLOCK_SECONDS = 5


@dataclass(frozen=True)
class Resources:
    """What the engine and this machine have.

    Attributes:
        engine_root: The engine's directory of images and volumes.
        engine_free: Bytes that are free there; None if it is in another machine.
        project_free: Bytes that are free in the project's directory.
        memory: Bytes of memory that containers can have.
        available: Bytes of it that nobody uses; None where that can't be seen.
        clock_behind: Seconds by which the engine's clock is behind this machine's.
        is_up: Whether the platform runs, so that it has its memory already.
    """

    engine_root: str
    engine_free: int | None
    project_free: int
    memory: int
    available: int | None
    clock_behind: float
    is_up: bool


@dataclass(frozen=True)
class Engine:
    """What the engine tells of its machine.

    Attributes:
        root: Its directory of images and volumes.
        memory: Bytes of memory that containers can have.
        time: Its time when it told this.
    """

    root: str
    memory: int
    time: datetime

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads what `docker info --format '{{json .}}'` prints."""
        told = json.loads(text)
        time = datetime.fromisoformat(told["SystemTime"]).astimezone(UTC)
        return cls(told["DockerRootDir"], told["MemTotal"], time)


def gather(project: Project, engine: Engine, *, now: datetime, is_up: bool) -> Resources:
    """Looks at disks, memory and clock.

    Args:
        project: The project.
        engine: What the engine tells.
        now: This machine's time when it was told.
        is_up: Whether the platform runs.
    """
    return Resources(
        engine_root=engine.root,
        engine_free=_free(Path(engine.root)),
        project_free=shutil.disk_usage(project.root).free,
        memory=engine.memory,
        available=available_memory(),
        clock_behind=(now - engine.time).total_seconds(),
        is_up=is_up,
    )


def _free(path: Path) -> int | None:
    try:
        return shutil.disk_usage(path).free
    except OSError:  # within Docker Desktop
        return None


def available_memory(path: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes of memory that nobody uses; None where there is no /proc."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    told = dict(line.split(":", 1) for line in lines)
    return int(told["MemAvailable"].split()[0]) * 1024


def judge(resources: Resources) -> list[Finding]:
    """Tells what is short."""
    return [*_disks(resources), *_memory(resources), _clock(resources)]


def _disks(resources: Resources) -> list[Finding]:
    root, mend = resources.engine_root, "docker system df shows what takes it; docker system prune"
    engine = resources.engine_free
    found = [] if engine is None else [_disk(f"the engine's disk ({root})", engine, mend=mend)]
    return [
        *found,
        _disk(
            "the project's disk",
            resources.project_free,
            mend="make room, for backups and deliveries too",
            needed=PROJECT_NEEDED,
            wanted=PROJECT_WANTED,
        ),
    ]


def _disk(
    name: str, free: int, *, mend: str, needed: int = DISK_NEEDED, wanted: int = DISK_WANTED
) -> Finding:
    text = f"{_gb(free)} are free on {name}"
    if free < needed:
        return problem(f"only {text}; {_gb(needed)} are the least", mend)
    if free < wanted:
        return warning(f"{text}; {_gb(wanted)} are comfortable", mend)
    return ok(text)


def _memory(resources: Resources) -> list[Finding]:
    text = f"containers can have {_gb(resources.memory)} of memory"
    mend = (
        "give the engine more memory (Docker Desktop: Settings, Resources), or start fewer profiles"
    )
    if resources.memory < MEMORY_NEEDED:
        return [problem(f"{text}; {_gb(MEMORY_NEEDED)} are the least", mend)]
    if resources.memory < MEMORY_WANTED:
        return [warning(f"{text}; {_gb(MEMORY_WANTED)} are comfortable", mend)]
    available = resources.available
    if available is not None and available < MEMORY_NEEDED and not resources.is_up:
        return [warning(f"{text}, of which {_gb(available)} are free now", "end what takes memory")]
    return [ok(text)]


def _clock(resources: Resources) -> Finding:
    behind = resources.clock_behind
    if abs(behind) <= CLOCK_SECONDS:
        return ok("the engine's clock and this machine's agree")
    way = "behind" if behind > 0 else "before"
    return problem(
        f"the engine's clock is {abs(behind):.0f} s {way} this machine's, so that times of runs "
        "and signatures are wrong",
        "restart Docker Desktop (WSL: wsl --shutdown), or: sudo timedatectl set-ntp true",
    )


def _gb(size: int) -> str:
    return f"{size / GB:.1f} GB"
