"""The profile `full`: time until all is healthy, and memory when nothing is asked of it.

Run it with ``python -m benchmarks.everything``; the images must be there (`make images`). A model
is trained and released first, so that its service is among what starts.
"""

import argparse
import re
import time
from collections.abc import Iterator, Mapping

from benchmarks.own_platform import OwnPlatform, own_platform
from benchmarks.tables import median_and_range, table, verdict
from commands.image import reference
from commands.platform import ENDED
from serving.release.engine import docker
from serving.runtime.errors import MLAssetsError

START_SECONDS = 90
"""What a cold start may take."""
IDLE_BYTES = 2.5e9
"""What all services together may hold."""
SETTLE_SECONDS = 60
PATIENCE_SECONDS = 300
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


class EverythingError(MLAssetsError):
    """No model was trained or released, so that not everything can be started."""


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="cold starts")
    repeats = parser.parse_args().repeats
    with own_platform("ml-assets-everything") as platform:
        image = _released(platform)
        docker("pull", "--quiet", image)
        served = platform.serving(image)
        seconds = [_cold_start(served) for _ in range(repeats)]
        time.sleep(SETTLE_SECONDS)
        print(*_tables(seconds, _memory(served)), sep="\n")


def _released(platform: OwnPlatform) -> str:
    """Trains iris, waits for its image, and names it.

    Raises:
        EverythingError: It takes too long, or training fails.
    """
    run = platform.dagster.launch("iris_train", {})
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (status := platform.dagster.news(run).status) not in ENDED:
        if time.monotonic() > deadline:
            break
        time.sleep(1)
    if status != "SUCCESS":
        raise EverythingError(f"iris is not trained after {PATIENCE_SECONDS} s: {status}")
    while "image_digest" not in (tags := platform.registry.require("iris", "production").tags):
        if time.monotonic() > deadline:
            raise EverythingError(f"iris is not released after {PATIENCE_SECONDS} s")
        time.sleep(1)
    return reference(tags)


def _cold_start(platform: OwnPlatform) -> float:
    """Seconds from no container to all healthy; volumes stay."""
    platform.compose("--profile", "*", "down")
    started = time.monotonic()
    platform.start("full")
    return time.monotonic() - started


def _memory(platform: OwnPlatform) -> Mapping[str, float]:
    """Bytes that each container holds, without the page cache, as `docker stats` tells."""
    shown = docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}")
    found = re.findall(rf"{platform.name}-(\S+) ([\d.]+)([KMG]?i?B)", shown)
    return {name: float(number) * UNITS[unit] for name, number, unit in found}


def _tables(seconds: list[float], memory: Mapping[str, float]) -> Iterator[str]:
    start, spread = median_and_range(seconds)
    row = (
        "cold start of `full`",
        start,
        spread,
        f"{START_SECONDS}",
        verdict(max(seconds), START_SECONDS),
    )
    yield from table("Time", ("", "s", "range", "target", ""), [row])
    total = sum(memory.values())
    rows = [(name, f"{held / 1e6:.0f}", "") for name, held in sorted(memory.items())]
    rows.append(("all", f"{total / 1e6:.0f}", verdict(total, IDLE_BYTES)))
    yield from table("Memory when idle", ("service", "MB", ""), rows)


if __name__ == "__main__":
    main()
