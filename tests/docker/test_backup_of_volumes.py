"""Backup and restore of volumes with SQLite's databases, and what stops them half-way."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.backup_cases import Operated
from tests.docker.engine import engine
from tests.docker.platform import PlatformCase, until

pytestmark = pytest.mark.docker

RUNS, RUN = "sqlite/history/runs.db", "sqlite/history/runs/one.db"
LARGE = "dd if=/dev/zero of=/mnt/blob bs=1M count=200 status=none"


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Operated]:
    """A platform on SQLite that is stopped, with a few rows and files in its volumes."""
    platform = PlatformCase.create("ml-assets-rows", database="sqlite")
    made = Operated(platform, tmp_path)
    try:
        for volume, path in (("mlflow", "mlflow.db"), ("logs", RUNS), ("logs", RUN)):
            made.write(volume, f"{path}.txt", "beside")
            made.sqlite(volume, path, "create table version (name)")
            # As Dagster's are; SQLite then writes beside a database even to read it.
            made.sqlite(volume, path, "pragma journal_mode=wal")
            made.sqlite(volume, path, "insert into version values ('iris')")
        made.write("state", "feast/registry.db.txt", "beside")
        made.write("releases", "ledger/ledger.jsonl", "a line")
        made.write("registry", "docker/registry/v2/repositories/iris/link", "sha256:1")
        yield made
    finally:
        platform.remove()
        for volume in made.volumes:
            engine("volume", "rm", "--force", volume)


def forget(case: Operated) -> None:
    for volume in case.volumes:
        engine("volume", "rm", volume)


def test_rows_and_files_come_back_with_their_owners(case: Operated) -> None:
    paths = (("logs", f"{RUN}.txt"), ("releases", "ledger/ledger.jsonl"))
    before = [case.read(*path) for path in paths]
    backup = case.back_up()
    forget(case)
    case.restore(backup)
    for volume, path in (("mlflow", "mlflow.db"), ("logs", RUNS), ("logs", RUN)):
        assert case.sqlite(volume, path, "select name from version") == [["iris"]]
    assert [case.read(*path) for path in paths] == before
    assert before[0].startswith("1000:0 ")
    assert not [name for name in case.volumes if name.endswith("postgres")]
    told = json.loads(engine("volume", "inspect", *case.volumes))
    assert {one["Labels"]["com.docker.compose.project"] for one in told} == {case.platform.name}


def test_it_is_restored_under_another_name(case: Operated) -> None:
    backup = case.back_up()
    other = Operated(PlatformCase.create("ml-assets-other", database="sqlite"), case.backups)
    try:
        other.restore(backup)
        assert other.sqlite("mlflow", "mlflow.db", "select name from version") == [["iris"]]
    finally:
        for volume in other.volumes:
            engine("volume", "rm", "--force", volume)


def test_a_database_in_a_transaction_is_copied_as_it_was_before(case: Operated) -> None:
    script = (
        "import sqlite3, time; c = sqlite3.connect('/mnt/mlflow.db'); "
        "c.execute('pragma journal_mode=wal'); c.execute(\"insert into version values ('x')\"); "
        "print('open', flush=True); time.sleep(300)"
    )
    image = f"ml-assets-dagster:{case.platform.settings['ML_ASSETS_VERSION']}"
    mount = f"--volume={case.platform.name}-mlflow:/mnt"
    writer = engine("run", "--detach", mount, "--entrypoint=python3", image, "-c", script)
    try:
        until(lambda: "open" in engine("logs", writer), seconds=30, what="a transaction")
        backup = case.back_up()
    finally:
        engine("rm", "--force", writer)
    forget(case)
    case.restore(backup)
    assert case.sqlite("mlflow", "mlflow.db", "select name from version") == [["iris"]]


def test_a_restore_into_volumes_with_data_touches_nothing(case: Operated) -> None:
    backup = case.back_up()
    case.sqlite("mlflow", "mlflow.db", "insert into version values ('newer')")
    ended = case.run("restore", str(backup))
    assert ended.returncode == 1
    assert "hold data; make down-volumes removes them" in ended.stderr
    rows = case.sqlite("mlflow", "mlflow.db", "select name from version")
    assert rows == [["iris"], ["newer"]]


def test_a_damaged_backup_makes_no_volume(case: Operated) -> None:
    backup = case.back_up()
    forget(case)
    with (backup / "volumes" / "mlflow.tar").open("r+b") as file:
        file.seek(1000)
        file.write(b"?")
    ended = case.run("restore", str(backup))
    assert ended.returncode == 1
    assert "volumes/mlflow.tar is damaged: its content was changed" in ended.stderr
    assert case.volumes == set()


def test_a_backup_of_another_kind_of_database_makes_no_volume(case: Operated) -> None:
    backup = case.back_up()
    forget(case)
    ended = case.run("restore", str(backup), DATABASE="postgres")
    assert ended.returncode == 1
    assert "set DATABASE=sqlite in .env" in ended.stderr
    assert case.volumes == set()


def test_there_is_nothing_to_back_up_before_the_first_start(case: Operated) -> None:
    forget(case)
    ended = case.run("backup", "--to", str(case.backups))
    assert ended.returncode == 1
    assert "there is nothing to back up" in ended.stderr
    assert list(case.backups.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_backup_that_is_stopped_leaves_nothing(case: Operated, number: int) -> None:
    fill(case, "registry")
    process = case.start("backup", "--to", str(case.backups))
    until(
        lambda: list(case.backups.glob("*.partial/volumes/registry.tar")), seconds=60, what="a tar"
    )
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "nothing is left of the backup" in error
    assert list(case.backups.iterdir()) == []
    assert helpers(case) == []


def test_a_restore_that_is_stopped_leaves_the_platform_empty_and_starts_again(
    case: Operated,
) -> None:
    fill(case, "registry")
    backup = case.back_up()
    forget(case)
    process = case.start("restore", str(backup))
    until(lambda: helpers(case), seconds=60, what="a helper")
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "as empty as it was" in error
    assert (helpers(case), case.volumes) == ([], set())
    case.restore(backup)
    assert case.sqlite("mlflow", "mlflow.db", "select name from version") == [["iris"]]


def test_after_a_restore_that_was_killed_people_are_told_what_to_do(case: Operated) -> None:
    fill(case, "registry")
    backup = case.back_up()
    forget(case)
    process = case.start("restore", str(backup))
    until(lambda: len(case.volumes) > 4 and helpers(case), seconds=60, what="a helper")
    process.kill()
    process.communicate(timeout=60)
    until(lambda: helpers(case) == [], seconds=60, what="the end of the helper")
    ended = case.run("restore", str(backup))
    assert ended.returncode == 1
    assert "has not ended" in ended.stderr
    assert "make down-volumes" in ended.stderr
    forget(case)
    case.restore(backup)


def fill(case: Operated, volume: str) -> None:
    """Makes a volume so large that it takes a while."""
    image = f"ml-assets-dagster:{case.platform.settings['ML_ASSETS_VERSION']}"
    mount = f"--volume={case.platform.name}-{volume}:/mnt"
    engine("run", "--rm", "--user=0", mount, "--entrypoint=sh", image, "-c", LARGE)


def helpers(case: Operated) -> list[str]:
    time.sleep(0.2)
    found = engine(
        "ps", "--all", "--format={{.Names}}", f"--filter=name={case.platform.name}-helper"
    )
    return found.split()
