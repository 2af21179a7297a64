"""The code location `release`: its graph, its job and its sensor."""

from importlib.metadata import version
from pathlib import Path

import dagster as dg
import pytest

from serving.release.definitions import defs
from serving.release.settings import ReleaseSettings

STEPS = {
    "bento": [],
    "service_image": ["bento"],
    "parity": ["service_image"],
    "push": ["parity"],
}
"""The assets and what each comes after: nothing is pushed before its proof."""


@pytest.fixture
def release(home: Path) -> dg.Definitions:
    return defs()


def test_each_step_comes_after_the_one_before(release: dg.Definitions) -> None:
    graph = release.resolve_asset_graph()
    found = {
        key.to_user_string(): [parent.to_user_string() for parent in graph.get(key).parent_keys]
        for key in graph.materializable_asset_keys
    }
    assert found == STEPS


def test_all_steps_share_group_and_partitions(release: dg.Definitions) -> None:
    graph = release.resolve_asset_graph()
    nodes = [graph.get(key) for key in graph.materializable_asset_keys]
    assert {node.group_name for node in nodes} == {"release"}
    assert {node.partitions_def for node in nodes} == {
        dg.DynamicPartitionsDefinition(name="model_versions")
    }


def test_the_job_runs_all_steps_in_one_process(release: dg.Definitions) -> None:
    job = release.resolve_job_def("release")
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == {*STEPS}
    assert job.executor_def.name == "in_process"


def test_runs_of_one_version_share_a_tag_however_they_are_launched(release: dg.Definitions) -> None:
    job = release.resolve_job_def("release")
    tags = job.get_tags_for_partition_key("oven:v3", selected_asset_keys=None)
    assert tags["release"] == "oven:v3"


def test_the_sensor_runs_by_itself_every_five_seconds(release: dg.Definitions) -> None:
    (sensor,) = release.sensors or []
    assert isinstance(sensor, dg.SensorDefinition)
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert (sensor.minimum_interval_seconds, sensor.job_name) == (5, "release")


class TestSettings:
    """What the environment says."""

    def test_without_any_the_images_are_those_of_this_version(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("RELEASE_REGISTRY", "SERVE_IMAGE", "SERVE_SKLEARN_IMAGE"):
            monkeypatch.delenv(name, raising=False)
        found, tag = ReleaseSettings.from_environment(), version("ml-assets")
        assert (found.registry, found.serve_image, found.serve_sklearn_image) == (
            "localhost:5050",
            f"ml-assets-serve:{tag}",
            f"ml-assets-serve-sklearn:{tag}",
        )

    def test_a_registry_may_end_with_a_slash(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("RELEASE_REGISTRY", "registry.example.org/models/")
        assert ReleaseSettings.from_environment().registry == "registry.example.org/models"
