"""A platform that was destroyed is restored: the same models, ledger and images answer again."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from serving.release.image import ServiceImage
from serving.release.parity import prove
from tests.docker.backup_cases import Operated
from tests.docker.engine import engine
from tests.docker.platform import PlatformCase

pytestmark = pytest.mark.docker

SECRETS = ("POSTGRES_PASSWORD", "DAGSTER_DB_PASSWORD", "MLFLOW_DB_PASSWORD", "FEAST_DB_PASSWORD")


@dataclass(frozen=True)
class Drill:
    """What a platform was before it was destroyed, and what it is now.

    Attributes:
        now: The restored platform.
        backup: The backup that it comes from.
        tags: Tags of the version that was in production.
        ledger: All lines of the ledger.
        lineage: What the ledger told of the image.
        busy: A run that was training during the backup.
        started: What Compose said when the restored platform was started.
    """

    now: Operated
    backup: Path
    tags: dict[str, str]
    ledger: list[dict[str, Any]] = field(repr=False)
    lineage: dict[str, Any] = field(repr=False)
    busy: str
    started: str


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """Train, release, back up while another run trains, destroy everything, restore, start."""
    platform = PlatformCase.create("ml-assets-drill")
    case = Operated(platform, tmp_path_factory.mktemp("backups"))
    try:
        platform.up()
        yield _held(case)
    finally:
        platform.remove()


def _held(case: Operated) -> Drill:
    platform = case.platform
    platform.wait_for_end(platform.train("iris"))
    platform.released("iris:v1")
    tags = dict(platform.registry.require("iris", "production").tags)
    busy = platform.train("transformer_temperature")
    platform.wait_for_step(busy, "model")
    backup = case.back_up()
    ledger = case.ask_ledger("ledger")
    lineage = case.ask_ledger("lineage", "--digest", tags["image_digest"])
    case.destroy()
    assert case.volumes == set()
    case.restore(backup)
    started = platform.compose("up", "--detach", "--wait").stderr
    return Drill(case, backup, tags, ledger, lineage, busy, started)


def test_the_same_version_is_in_production(drill: Drill) -> None:
    found = drill.now.platform.registry.require("iris", "production")
    assert (found.version, dict(found.tags)) == (1, drill.tags)


def test_its_artifacts_are_there(drill: Drill) -> None:
    registry = drill.now.platform.registry
    assert registry.example(registry.version("iris", 1))
    assert registry.golden(registry.version("iris", 1))


def test_the_ledger_and_the_lineage_are_the_same_and_verified(drill: Drill) -> None:
    # What the run that was training then has done since comes after.
    assert drill.now.ask_ledger("ledger")[: len(drill.ledger)] == drill.ledger
    assert drill.now.ask_ledger("ledger", "--verify")["entries"] >= len(drill.ledger) > 0
    digest = drill.tags["image_digest"]
    assert drill.now.ask_ledger("lineage", "--digest", digest) == drill.lineage


def test_the_same_image_is_pulled_and_answers_every_golden_request(drill: Drill) -> None:
    platform = drill.now.platform
    reference = f"{platform.images}/iris@{drill.tags['image_digest']}"
    engine("pull", "--quiet", reference)
    identity = engine("image", "inspect", "--format={{.Id}}", reference)
    version = platform.registry.version("iris", 1)
    report = prove(ServiceImage(reference, identity), platform.registry.golden(version))
    assert report.requests > 0


def test_runs_of_before_are_told_and_the_one_that_was_training_is_made_good(drill: Drill) -> None:
    platform = drill.now.platform
    assert {run["status"] for run in platform.runs("iris_train")} == {"SUCCESS"}
    assert {run["status"] for run in platform.runs("release")} >= {"SUCCESS"}
    assert platform.wait_for_end(drill.busy).status == "FAILURE"
    again = platform.retry_of(drill.busy)
    assert platform.wait_for_end(again).status == "SUCCESS"
    assert platform.registry.require("transformer_temperature", "production")


def test_its_volumes_are_the_projects(drill: Drill) -> None:
    assert "already exists" not in drill.started
    for volume in drill.now.volumes:
        told = json.loads(engine("volume", "inspect", "--format={{json .Labels}}", volume))
        assert told["com.docker.compose.project"] == drill.now.platform.name


def test_doctor_finds_no_problem(drill: Drill) -> None:
    ended = drill.now.run("doctor", "--json")
    found = json.loads(ended.stdout)
    assert [one for one in found if one["level"] == "problem"] == []
    assert {"services", "network", "permissions"} <= {one["check"] for one in found}


def test_the_backup_holds_no_secret_and_is_for_its_owner_alone(drill: Drill) -> None:
    settings = drill.now.platform.settings
    key = (drill.now.platform.home / "signing" / "development.key").read_bytes()
    for path in (drill.backup, *drill.backup.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
        if path.is_file():
            content = path.read_bytes()
            held = [name for name in SECRETS if settings[name].encode() in content]
            assert held == [], path
            assert key not in content, path


def test_nothing_is_restored_over_a_platform_that_is_there(drill: Drill) -> None:
    ended = drill.now.run("restore", str(drill.backup))
    assert ended.returncode == 1
    assert "has containers" in ended.stderr
    assert drill.now.platform.registry.require("iris", "production").version >= 1


def test_a_backup_of_a_stopped_platform_is_made_and_leaves_it_stopped(drill: Drill) -> None:
    platform = drill.now.platform
    platform.compose("down", "--timeout", "10")
    made = drill.now.back_up()
    listed = f"--filter=label=com.docker.compose.project={platform.name}"
    assert engine("ps", "--all", "--quiet", listed) == ""
    before, after = (
        json.loads((one / "manifest.json").read_text()) for one in (drill.backup, made)
    )
    names = [[file["path"] for file in told["files"]] for told in (before, after)]
    assert names[0] == names[1]
