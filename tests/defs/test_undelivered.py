"""The sensor that asks again for deliveries which have failed."""

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
import pytest

from ml_assets.resources.registry import ModelRegistry
from serving.release.definitions import STEPS, deliver_job
from serving.release.sensor import undelivered
from tests.registry_cases import Shelf


@dataclass(frozen=True)
class Platform:
    """A registry, and an instance of Dagster in which steps have ended."""

    registry: ModelRegistry
    instance: dg.DagsterInstance

    def ended(self, *assets: str, version: int = 1) -> None:
        """Notes that steps have ended for a version, one after the other."""
        self.instance.add_dynamic_partitions("model_versions", [f"oven:v{version}"])
        for asset in assets:
            self.instance.report_runless_asset_event(
                dg.AssetMaterialization(asset, partition=f"oven:v{version}")
            )

    def tick(self) -> dg.SensorResult | dg.SkipReason:
        """What the sensor asks for."""
        repository = dg.Definitions(
            assets=[*STEPS],
            jobs=[deliver_job],
            sensors=[undelivered],
            resources={"registry": self.registry, "release": object()},
        ).get_repository_def()
        with dg.build_sensor_context(
            self.instance, repository_def=repository, resources={"registry": self.registry}
        ) as context:
            found = undelivered(context)
        assert isinstance(found, dg.SensorResult | dg.SkipReason)
        return found

    @property
    def asked(self) -> list[str | None]:
        """The partitions that the sensor asks for."""
        found = self.tick()
        assert isinstance(found, dg.SensorResult)
        return [one.partition_key for one in found.run_requests or []]


@pytest.fixture
def platform(registry: ModelRegistry) -> Iterator[Platform]:
    with dg.instance_for_test() as instance:
        yield Platform(registry, instance)


@pytest.fixture
def shelf(registry: ModelRegistry) -> Shelf:
    """A model whose first version is in production."""
    shelf = Shelf(registry)
    shelf.promote(1)
    return shelf


def test_a_version_that_was_pushed_and_not_delivered_is_asked_for(
    platform: Platform, shelf: Shelf
) -> None:
    platform.ended("push")
    assert platform.asked == ["oven:v1"]


def test_it_is_asked_for_once_an_hour(platform: Platform, shelf: Shelf) -> None:
    platform.ended("push")
    before = datetime.now(UTC)
    found = platform.tick()
    hours = {f"oven:v1:{one:%Y-%m-%dT%H}" for one in (before, datetime.now(UTC))}
    assert isinstance(found, dg.SensorResult)
    [request] = found.run_requests or []
    assert request.run_key in hours


def test_a_version_that_was_delivered_is_not_asked_for(platform: Platform, shelf: Shelf) -> None:
    platform.ended("push", "delivery")
    assert platform.asked == []
    found = platform.tick()
    assert isinstance(found, dg.SensorResult)
    assert "everybody has what is in production" in str(found.skip_reason)


def test_a_version_that_was_pushed_again_since_its_delivery_is_asked_for(
    platform: Platform, shelf: Shelf
) -> None:
    platform.ended("push", "delivery", "push")
    assert platform.asked == ["oven:v1"]


def test_a_version_that_was_not_pushed_is_not_asked_for(platform: Platform, shelf: Shelf) -> None:
    assert platform.asked == []


def test_a_version_that_is_no_longer_in_production_is_not_asked_for(
    platform: Platform, shelf: Shelf
) -> None:
    platform.ended("push")
    shelf.promote(2)
    assert platform.asked == []


def test_a_model_without_a_version_in_production_is_passed_over(
    platform: Platform, registry: ModelRegistry
) -> None:
    Shelf(registry)
    platform.ended("push")
    assert platform.asked == []


class TestRollback:
    """A version that came back, which was delivered before."""

    @pytest.fixture(autouse=True)
    def _is_back(self, platform: Platform, shelf: Shelf) -> None:
        platform.ended("push", "delivery", version=1)
        shelf.promote(2)
        platform.ended("push", "delivery", version=2)
        shelf.roll_back(1, when=datetime.now(UTC))

    def test_one_that_did_not_reach_everybody_is_asked_for(self, platform: Platform) -> None:
        assert platform.asked == ["oven:v1"]

    @pytest.mark.parametrize("step", ["rollback", "delivery"])
    def test_one_that_did_is_not(self, step: str, platform: Platform) -> None:
        platform.ended(step, version=1)
        assert platform.asked == []

    def test_one_that_was_given_up_by_hand_since_is_not(
        self, platform: Platform, shelf: Shelf
    ) -> None:
        shelf.hand_move(2)
        assert platform.asked == []


def test_mlflow_that_is_away_is_told_and_nothing_is_asked_for(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    away = ModelRegistry(tracking_uri=f"http://127.0.0.1:{port}")
    found = Platform(away, platform.instance).tick()
    assert isinstance(found, dg.SkipReason)
    assert str(found.skip_message).startswith(f"MLflow at http://127.0.0.1:{port} does not answer")
    assert str(found.skip_message).endswith("The next look finds what is missed now")
