"""Doctor tells what is short: disk, memory, and clocks that differ."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from operations.doctor.findings import Level
from operations.doctor.resources import GB, Engine, Resources, available_memory, gather, judge
from tests.unit.operations.cases import make_project

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
WELL = Resources("/var/lib/docker", 50 * GB, 50 * GB, 16 * GB, 8 * GB, 0.5, is_up=False)


def bad(resources: Resources) -> list[tuple[Level, str]]:
    return [(one.level, one.text) for one in judge(resources) if one.level is not Level.OK]


def test_enough_of_everything_is_well() -> None:
    assert bad(WELL) == []


@pytest.mark.parametrize(
    ("resources", "level", "words"),
    [
        (replace(WELL, engine_free=GB), Level.PROBLEM, "only 1.0 GB are free on the engine's disk"),
        (replace(WELL, engine_free=9 * GB), Level.WARNING, "9.0 GB are free on the engine's disk"),
        (replace(WELL, project_free=GB // 10), Level.PROBLEM, "free on the project's disk"),
        (replace(WELL, memory=2 * GB), Level.PROBLEM, "containers can have 2.0 GB of memory"),
        (replace(WELL, memory=4 * GB), Level.WARNING, "containers can have 4.0 GB of memory"),
        (replace(WELL, available=GB), Level.WARNING, "of which 1.0 GB are free now"),
        (replace(WELL, clock_behind=90), Level.PROBLEM, "the engine's clock is 90 s behind"),
        (replace(WELL, clock_behind=-90), Level.PROBLEM, "the engine's clock is 90 s before"),
    ],
)
def test_what_is_short_is_told(resources: Resources, level: Level, words: str) -> None:
    ((found, text),) = bad(resources)
    assert found is level
    assert words in text


def test_a_platform_that_runs_has_its_memory_already() -> None:
    assert bad(replace(WELL, available=GB, is_up=True)) == []


def test_disks_memory_and_clock_are_looked_at(tmp_path: Path) -> None:
    told = (NOW - timedelta(seconds=60)).isoformat().replace("+00:00", ".123456789Z")
    info = {"DockerRootDir": str(tmp_path), "MemTotal": 8 * GB, "SystemTime": told}
    engine = Engine.parse(json.dumps(info))
    found = gather(make_project(tmp_path), engine, now=NOW, is_up=False)
    assert found.engine_free is not None
    assert found.engine_free > 0
    assert found.clock_behind == pytest.approx(59.88, abs=0.01)
    elsewhere = gather(
        make_project(tmp_path), replace(engine, root="/nowhere/at/all"), now=NOW, is_up=False
    )
    assert elsewhere.engine_free is None


def test_memory_is_read_from_proc_where_there_is_one(tmp_path: Path) -> None:
    assert (available_memory() or 0) > 0
    assert available_memory(tmp_path / "missing") is None
