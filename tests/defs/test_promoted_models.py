"""The sensor, on a real registry of MLflow and a real instance of Dagster."""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

import dagster as dg
import pytest
import yaml

from ml_assets.resources.registry import ModelRegistry
from serving.release.definitions import STEPS, release_job
from serving.release.sensor import promoted_models
from tests.conftest import ROOT
from tests.registry_cases import Shelf

PARTITIONS = "model_versions"


@dataclass(frozen=True)
class Tick:
    """What a look of the sensor asked for.

    Attributes:
        runs: Tags of each run by its run key, in order.
        said: Why there is none.
    """

    runs: Mapping[str, Mapping[str, str]]
    said: str | None

    @property
    def partitions(self) -> list[str]:
        """The partition of each run."""
        return [tags["dagster/partition"] for tags in self.runs.values()]


@dataclass
class Daemon:
    """Evaluates the sensor and keeps its cursor, as Dagster's own daemon does.

    Attributes:
        registry: What the sensor looks at.
        instance: Where partitions are kept.
        cursor: What the last look left.
    """

    registry: ModelRegistry
    instance: dg.DagsterInstance
    cursor: str | None = None

    def tick(self) -> Tick:
        """Evaluates the sensor, adds the partitions that it asks for, and keeps the cursor."""
        resources = {"registry": self.registry, "release": object()}
        repository = dg.Definitions(
            assets=[*STEPS], jobs=[release_job], sensors=[promoted_models], resources=resources
        ).get_repository_def()
        context = dg.SensorEvaluationContext(
            instance_ref=self.instance.get_ref(),
            cursor=self.cursor,
            repository_def=repository,
            sensor_name="promoted_models",
            resources=resources,
        )
        with context:
            found = promoted_models.evaluate_tick(context)
        for request in found.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(PARTITIONS, [*request.partition_keys])
        self.cursor = found.cursor
        return Tick({str(run.run_key): run.tags for run in found.run_requests}, found.skip_message)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


@pytest.fixture
def daemon(registry: ModelRegistry, instance: dg.DagsterInstance) -> Daemon:
    return Daemon(registry, instance)


@pytest.fixture
def shelf(registry: ModelRegistry) -> Shelf:
    return Shelf(registry)


def test_a_promotion_asks_for_a_run_with_the_time_of_the_change_in_its_key(
    daemon: Daemon, shelf: Shelf
) -> None:
    shelf.promote(2)
    tick = daemon.tick()
    assert [*tick.runs] == ["oven:v2:20260102T030405.123456Z"]
    assert tick.said is None


def test_the_run_has_the_partition_and_the_tag_that_runs_wait_for(
    daemon: Daemon, shelf: Shelf
) -> None:
    shelf.promote(2)
    (tags,) = daemon.tick().runs.values()
    assert tags["dagster/partition"] == tags["release"] == "oven:v2"


def test_the_partition_is_added(daemon: Daemon, shelf: Shelf, instance: dg.DagsterInstance) -> None:
    shelf.promote(2, 1, 2)
    daemon.tick()
    assert instance.get_dynamic_partitions(PARTITIONS) == ["oven:v1", "oven:v2"]


def test_back_and_forth_between_two_looks_is_three_runs(daemon: Daemon, shelf: Shelf) -> None:
    shelf.promote(1, 2, 1)
    assert daemon.tick().partitions == ["oven:v1", "oven:v2", "oven:v1"]


def test_back_and_forth_with_looks_between_is_three_runs(daemon: Daemon, shelf: Shelf) -> None:
    found = []
    for version in (1, 2, 1):
        shelf.promote(version)
        found += [*daemon.tick().runs]
    assert len({*found}) == 3


def test_the_same_alias_set_twice_is_one_run(daemon: Daemon, shelf: Shelf) -> None:
    shelf.promote(1)
    daemon.tick()
    shelf.hand_move(1)
    shelf.promote(1)
    assert daemon.tick().runs == {}


def test_a_move_by_hand_is_a_run(daemon: Daemon, shelf: Shelf) -> None:
    shelf.promote(1, 2)
    daemon.tick()
    shelf.hand_move(1)
    assert [*daemon.tick().runs] == ["oven:v1:20260102T030406.123456Z+1"]


def test_a_rollback_asks_for_no_run_and_a_move_by_hand_after_it_does(
    daemon: Daemon, shelf: Shelf
) -> None:
    shelf.promote(1, 2)
    daemon.tick()
    shelf.roll_back(1)
    assert daemon.tick().runs == {}
    shelf.hand_move(3)
    assert daemon.tick().partitions == ["oven:v3"]


def test_two_at_once_ask_for_the_same_runs(daemon: Daemon, shelf: Shelf) -> None:
    shelf.promote(1)
    daemon.tick()
    shelf.promote(2)
    shelf.hand_move(3)
    other = Daemon(daemon.registry, daemon.instance, daemon.cursor)
    first, second = daemon.tick(), other.tick()
    assert len(first.runs) == 1
    assert first == second


def test_a_version_that_was_withdrawn_asks_for_the_one_that_is_back(
    daemon: Daemon, shelf: Shelf
) -> None:
    shelf.promote(1, 2)
    daemon.tick()
    shelf.registry.withdraw(shelf.version(2), reason="wrong")
    assert daemon.tick().partitions == ["oven:v1"]


def test_no_change_says_what_is_in_production(daemon: Daemon, shelf: Shelf) -> None:
    Shelf(daemon.registry, "fan").promote(3)
    Shelf(daemon.registry, "kiln")
    shelf.promote(1)
    daemon.tick()
    assert daemon.tick().said == "no change: fan v3, oven v1 are in production"


def test_an_empty_registry_says_that_nothing_is_in_production(daemon: Daemon) -> None:
    assert daemon.tick().said == "no change: nothing is in production"


class TestMlflowAway:
    """A registry that nobody can reach."""

    @pytest.fixture
    def away(self, daemon: Daemon, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Daemon:
        environment = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][
            "code-release"
        ]["environment"]
        for name in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"):
            monkeypatch.setenv(name, environment[name])
        shelf.promote(1)
        daemon.tick()
        with closing(socket.create_server(("127.0.0.1", 0))) as server:
            port = server.getsockname()[1]
        registry = ModelRegistry(tracking_uri=f"http://127.0.0.1:{port}")
        return Daemon(registry, daemon.instance, daemon.cursor)

    def test_it_is_told_within_seconds_and_asks_for_no_run(self, away: Daemon) -> None:
        started = time.monotonic()
        tick = away.tick()
        assert time.monotonic() - started < 30
        assert tick.runs == {}
        assert str(tick.said).startswith(f"MLflow at {away.registry.tracking_uri} does not answer")

    def test_what_happened_meanwhile_is_found_afterwards(
        self, away: Daemon, daemon: Daemon, shelf: Shelf
    ) -> None:
        away.tick()
        shelf.promote(2, 3)
        back = Daemon(daemon.registry, daemon.instance, away.cursor)
        assert back.tick().partitions == ["oven:v2", "oven:v3"]
