"""Versions of a model that cost no training, their promotion, and what became of it."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from mlflow import MlflowClient

from commands.versions import launch_on
from ml_assets.core.promotion import now
from ml_assets.resources.promotions import PROMOTED
from ml_assets.resources.version_files import RegisteredVersion
from serving.release.asking import ask, is_ready
from serving.release.image import RUN
from serving.release.isolation import PORT, isolated
from serving.release.partitions import partition_key
from tests.docker.engine import engine
from tests.docker.platform import ENDED, SENSOR, PlatformCase, until

OF_ONE_RELEASE = ("promotion", PROMOTED, "image", "release_refused")
"""How tags begin that a version gets after its registration."""

_RECORDED = """query($asset: AssetKeyInput!, $partition: String!) {
  assetOrError(assetKey: $asset) { ... on Asset {
    assetMaterializations(partitions: [$partition]) {
      metadataEntries { label ... on TextMetadataEntry { text } } } } } }"""
_TICK = """query($sensor: SensorSelector!) { sensorOrError(sensorSelector: $sensor) {
  ... on Sensor { sensorState { ticks(limit: 3) { status timestamp } } } } }"""


@dataclass(frozen=True)
class ReleaseCase:
    """A platform with a trained model, of which there are as many versions as a test asks for.

    Attributes:
        platform: The platform.
        first: The version that was trained, evaluated and promoted.
    """

    platform: PlatformCase
    first: RegisteredVersion

    @classmethod
    def create(cls, platform: PlatformCase, model: str = "iris") -> Self:
        """Trains a model, and has it released, unless that was done before."""
        was_there = platform.registry.by_alias(model, "production") is not None
        if not was_there:
            assert platform.wait_for_end(platform.train(model)).status == "SUCCESS"
        first = platform.registry.require(model, "production")
        case = cls(platform, first)
        if was_there and not case.runs(first):
            case.launch_again(first)
        platform.released(partition_key(model, first.version))
        return case

    @property
    def live(self) -> RegisteredVersion:
        """The version in production."""
        return self.platform.registry.require(self.first.name, "production")

    def add(self, count: int) -> list[RegisteredVersion]:
        """Registers further versions of what the first one was made of."""
        tags = {
            name: value
            for name, value in self.first.tags.items()
            if not name.startswith(OF_ONE_RELEASE)
        }
        source, run = self._source(), self.first.run_id
        registry, name = self.platform.registry, self.first.name
        return [registry.register(source, name=name, run_id=run, tags=tags) for _ in range(count)]

    def promote(self, *versions: RegisteredVersion) -> None:
        """Promotes versions, one after the other."""
        for version in versions:
            before = self.live.version
            record = {"from_version": before, "when": now().isoformat()}
            self.platform.registry.promote(version, previous=before, record=json.dumps(record))

    def runs(self, version: RegisteredVersion) -> list[dict[str, Any]]:
        """All releases of a version, newest first."""
        key = _key(version)
        found = self.platform.runs("release")
        return [run for run in found if run["tags"].get("dagster/partition") == key]

    def statuses(self, version: RegisteredVersion) -> list[str]:
        """How the releases of a version stand, newest first."""
        return [run["status"] for run in self.runs(version)]

    def launch_again(self, *versions: RegisteredVersion) -> None:
        """Materialises the partitions of versions again, as a user does."""
        for version in versions:
            launch_on(version, "release", {}, platform=self.platform.dagster)

    def started(self, version: RegisteredVersion, *, seconds: float = 120) -> str:
        """Id of the newest release of a version, once there is one."""
        runs = until(lambda: self.runs(version), seconds=seconds, what=f"a release of {version}")
        return str(runs[0]["runId"])

    def await_sensor(self, *, seconds: float = 120) -> None:
        """Waits for a look of the sensor that begins after now and finds no change."""
        begun = time.time()

        def found_nothing() -> bool:
            found = self.platform.dagster.ask(_TICK, {"sensor": SENSOR})["sensorOrError"]
            return any(
                tick["status"] == "SKIPPED" and tick["timestamp"] > begun
                for tick in found["sensorState"]["ticks"]
            )

        until(found_nothing, seconds=seconds, what="a look of the sensor that finds no change")

    def settle(self, *, seconds: float = 300) -> None:
        """Waits until the sensor finds no change and no release is queued or running."""
        self.await_sensor()

        def have_ended() -> bool:
            return all(run["status"] in ENDED for run in self.platform.runs("release"))

        until(have_ended, seconds=seconds, what="the end of all releases")

    def recorded(self, version: RegisteredVersion, asset: str, label: str) -> list[str]:
        """What each materialisation of an asset of the release says under a label."""
        key = {"asset": {"path": [asset]}, "partition": _key(version)}
        found = self.platform.dagster.ask(_RECORDED, key)["assetOrError"]
        return [
            entry["text"]
            for one in found.get("assetMaterializations", [])
            for entry in one["metadataEntries"]
            if entry["label"] == label
        ]

    def tags(self, version: RegisteredVersion) -> dict[str, str]:
        """What the registry says of the image of a version."""
        found = self.platform.registry.version(version.name, version.version).tags
        return {name: found[name] for name in ("image", "image_digest") if name in found}

    def pull(self, version: RegisteredVersion) -> str:
        """Id of the image that customers get, which is pulled by the digest that is noted."""
        noted = self.tags(version)
        image = f"{noted['image'].rpartition(':')[0]}@{noted['image_digest']}"
        engine("pull", "--quiet", image)
        return engine("image", "inspect", "--format={{.Id}}", image)

    def answers(self, version: RegisteredVersion) -> bool:
        """Whether what customers get answers a request."""
        body = self.platform.registry.example(version).model_dump_json().encode()
        with isolated(self.pull(version)) as service:
            until(lambda: is_ready(service.address, port=PORT), seconds=60, what="the service")
            (reply,) = ask(service.address, [body], port=PORT)
        return reply.status == 200

    def complaint(self, version: RegisteredVersion) -> str:
        """What the failed step of the newest release of a version says."""
        news = self.platform.wait_for_end(self.started(version))
        assert news.status == "FAILURE", news.status
        failed = [one for one in news.events if one["__typename"] == "ExecutionStepFailureEvent"]
        told = failed[0]["failureMetadata"]
        assert told, "the step says nothing in words"
        return str(told["description"])

    def remove_images(self) -> None:
        """Removes all images of the model from the engine."""
        label = f"label={RUN}={self.first.run_id}"
        if images := engine("image", "ls", "--quiet", "--no-trunc", f"--filter={label}"):
            engine("image", "rm", "--force", *{*images.split()})

    def _source(self) -> str:
        """The logged model that the first version is."""
        client = MlflowClient(self.platform.tracking_uri, registry_uri=self.platform.tracking_uri)
        return str(client.get_model_version(self.first.name, str(self.first.version)).source)


def assert_released(
    case: ReleaseCase, *versions: RegisteredVersion, statuses: Sequence[str], builds: int
) -> None:
    """Asserts how the releases of each version ended, and that there is one image of it.

    Args:
        case: Where the versions are.
        versions: The versions.
        statuses: How its releases ended, newest first.
        builds: How often `service_image` was materialised.
    """
    for version in versions:
        assert case.statuses(version) == statuses, version.label
        pushed = [case.tags(version)["image_digest"]] * statuses.count("SUCCESS")
        assert case.recorded(version, "push", "image digest") == pushed, version.label
        built = case.recorded(version, "service_image", "image id")
        assert built == [case.pull(version)] * builds, version.label


@contextmanager
def small_disk(platform: PlatformCase) -> Iterator[str]:
    """Puts the files of releases on a disk of 2 GB; yields a container that has it at /disk."""
    volume = f"{platform.name}-releases"
    disk = ("--opt=type=tmpfs", "--opt=device=tmpfs", "--opt=o=size=2g,uid=1000")
    with _without_releases(platform):
        engine("volume", "rm", "--force", volume)
        engine("volume", "create", *disk, volume)
    image = engine("inspect", "--format={{.Config.Image}}", platform.container("code-release"))
    # A disk in memory is empty again once no container has it.
    holder = engine("run", "--detach", f"--volume={volume}:/disk", image, "sleep", "infinity")
    try:
        yield holder
    finally:
        with _without_releases(platform):
            engine("rm", "--force", holder)
            engine("volume", "rm", "--force", volume)


@contextmanager
def _without_releases(platform: PlatformCase) -> Iterator[None]:
    """Takes away every container that has the files of releases, for the length of a block."""
    until(lambda: not platform.run_containers(), seconds=60, what="the end of run containers")
    platform.compose("rm", "--stop", "--force", "code-release")
    yield
    platform.compose("up", "--detach", "--wait", "--no-deps", "code-release")


def fill(holder: str) -> None:
    """Leaves no room on a small disk."""
    engine("exec", holder, "sh", "-c", "cat /dev/zero > /disk/filler 2> /dev/null || true")


def make_room(holder: str) -> None:
    """Undoes `fill`."""
    engine("exec", holder, "rm", "/disk/filler")


@contextmanager
def second_daemon(platform: PlatformCase) -> Iterator[str]:
    """Runs another daemon beside the one of a platform; yields its container."""
    name = f"{platform.name}-daemon-second"
    platform.compose("run", "--detach", "--no-deps", "--name", name, "daemon")
    try:
        yield name
    finally:
        engine("rm", "--force", name)


def _key(version: RegisteredVersion) -> str:
    return partition_key(version.name, version.version)
