"""The code location `release`: its graph, its jobs and its sensors."""

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
    "bundle": ["parity"],
    "push": ["bundle"],
    "delivery": ["push"],
}
"""The steps of a release and what each comes after: nothing is signed before its proof, pushed
before it is signed, or delivered before it is pushed."""
JOBS = {"release": {*STEPS}, "deliver": {"delivery"}, "roll_back": {"rollback"}}


@pytest.fixture
def release(home: Path) -> dg.Definitions:
    return defs()


def test_each_step_comes_after_the_one_before(release: dg.Definitions) -> None:
    graph = release.resolve_asset_graph()
    found = {
        key.to_user_string(): [parent.to_user_string() for parent in graph.get(key).parent_keys]
        for key in graph.materializable_asset_keys
    }
    assert found == STEPS | {"rollback": []}


def test_all_steps_share_group_and_partitions(release: dg.Definitions) -> None:
    graph = release.resolve_asset_graph()
    nodes = [graph.get(key) for key in graph.materializable_asset_keys]
    assert {node.group_name for node in nodes} == {"release"}
    assert {node.partitions_def for node in nodes} == {
        dg.DynamicPartitionsDefinition(name="model_versions")
    }


def test_all_of_it_loads_as_one_repository(release: dg.Definitions) -> None:
    jobs = {job.name for job in release.get_repository_def().get_all_jobs()}
    assert jobs - {"__ASSET_JOB"} == {*JOBS}


@pytest.mark.parametrize(("name", "steps"), JOBS.items())
def test_a_job_runs_its_steps_in_one_process(
    name: str, steps: set[str], release: dg.Definitions
) -> None:
    job = release.resolve_job_def(name)
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == steps
    assert job.executor_def.name == "in_process"


@pytest.mark.parametrize("name", JOBS)
def test_runs_on_one_version_share_a_tag_however_they_are_launched(
    name: str, release: dg.Definitions
) -> None:
    job = release.resolve_job_def(name)
    tags = job.get_tags_for_partition_key("oven:v3", selected_asset_keys=None)
    assert tags["release"] == "oven:v3"


@pytest.mark.parametrize(
    ("name", "job", "seconds"), [("promoted_models", "release", 5), ("undelivered", "deliver", 300)]
)
def test_a_sensor_runs_by_itself(
    name: str, job: str, seconds: int, release: dg.Definitions
) -> None:
    sensor = release.get_repository_def().get_sensor_def(name)
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert (sensor.minimum_interval_seconds, sensor.job_name) == (seconds, job)


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
