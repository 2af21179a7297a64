"""What the tests of faults of training ask of a platform: its runs, its files, its models."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient

from commands.following import WILL_RETRY
from commands.platform import News
from serving.release.changes import Cursor, look, new_changes
from serving.runtime.model import Model
from tests.docker.engine import engine
from tests.docker.platform import SENSOR, PlatformCase, until

MODEL = "iris"
STEPS = ["dataset", "features", "training_set", "model", "evaluation", "promotion"]
STARTED, SUCCEEDED = "ExecutionStepStartEvent", "ExecutionStepSuccessEvent"
MATERIALISED = "MaterializationEvent"
ENDS = {"RunSuccessEvent", "RunFailureEvent"}

_STATE = """query($sensor: SensorSelector!) { sensorOrError(sensorSelector: $sensor) {
  ... on Sensor { sensorState { id } } } }"""
_PAUSE = "mutation($id: String!) { stopSensor(id: $id) { __typename } }"
_RESUME = """mutation($sensor: SensorSelector!) {
  startSensor(sensorSelector: $sensor) { __typename } }"""
_SKIP = """mutation($sensor: SensorSelector!, $cursor: String) {
  setSensorCursor(sensorSelector: $sensor, cursor: $cursor) { __typename } }"""
_LATEST = """query($asset: [String!]!) { assetOrError(assetKey: {path: $asset}) {
  ... on Asset { assetMaterializations(limit: 1) { runId } } } }"""
_UNFINISHED = """query { runsOrError(filter: {statuses: [
  QUEUED, NOT_STARTED, STARTING, STARTED, CANCELING]}) { ... on Runs { results {
  runId jobName status } } } }"""

LOOK = """
import json
from pathlib import Path
import pyarrow.parquet as pq

def trouble(path):
    try:
        pq.read_table(path) if path.suffix == ".parquet" else json.loads(path.read_bytes())
    except Exception as error:
        return f"{path}: {error}"

files = [path for path in Path("/var/lib/ml_assets").rglob("*") if path.is_file()]
whole = [path for path in files if path.suffix in {".parquet", ".json"}]
print(json.dumps({
    "whole": [str(path) for path in whole],
    "half": [said for said in map(trouble, whole) if said],
    "unfinished": [str(path) for path in files if path.name.endswith(("~", ".tmp", ".partial"))],
}))
"""
"""Reads every file of the state volume, in a container that has it."""


@contextmanager
def releases_paused(platform: PlatformCase) -> Iterator[None]:
    """What is promoted in a block is not released, so that faults of training stand alone."""
    asked = until(
        lambda: platform.dagster.ask(_STATE, {"sensor": SENSOR}), seconds=30, what="the sensor"
    )
    platform.dagster.ask(_PAUSE, {"id": asked["sensorOrError"]["sensorState"]["id"]})
    try:
        yield
    finally:
        _, seen = new_changes(Cursor(), look(platform.registry))
        platform.dagster.ask(_SKIP, {"sensor": SENSOR, "cursor": seen.model_dump_json()})
        platform.dagster.ask(_RESUME, {"sensor": SENSOR})


@dataclass(frozen=True)
class Attempt:
    """A run that has ended.

    Attributes:
        run: Its id.
        news: All its events, its status and its tags.
    """

    run: str
    news: News

    @property
    def status(self) -> str:
        return self.news.status

    def steps(self, kind: str) -> list[str]:
        """The steps that have an event of a kind, in the order of the events."""
        events = [event for event in self.news.events if event["__typename"] == kind]
        return [str(event["stepKey"]).removeprefix(f"{MODEL}__") for event in events]

    @property
    def ended_at(self) -> float:
        """When its end was recorded, in seconds since 1970."""
        [event] = [event for event in self.news.events if event["__typename"] in ENDS]
        return float(event["timestamp"]) / 1000


def attempts(platform: PlatformCase, run: str) -> list[Attempt]:
    """A run, and those that Dagster launched in its place; waits until the last has ended."""
    news = platform.wait_for_end(run)
    if news.status != "FAILURE":
        return [Attempt(run, news)]
    # Whether there is a retry is noted a moment after the failure.
    until(lambda: WILL_RETRY in platform.dagster.news(run).tags, seconds=30, what="that note")
    news = platform.dagster.news(run)
    if news.tags[WILL_RETRY] != "true":
        return [Attempt(run, news)]
    return [Attempt(run, news), *attempts(platform, platform.retry_of(run))]


def unfinished_runs(platform: PlatformCase) -> list[str]:
    """Job, id and status of the runs that wait or go on."""
    found = platform.dagster.ask(_UNFINISHED, {})["runsOrError"]["results"]
    return [f"{run['jobName']} {run['runId']} {run['status']}" for run in found]


def latest_materialisation(platform: PlatformCase, asset: str) -> str:
    """The run that materialised an asset of the model last."""
    answer = platform.dagster.ask(_LATEST, {"asset": [MODEL, asset]})
    [latest] = answer["assetOrError"]["assetMaterializations"]
    return str(latest["runId"])


def state_files(platform: PlatformCase) -> dict[str, Sequence[str]]:
    """Files of the state volume: those that are whole, half written, and temporary."""
    container = platform.container("code-training")
    image = engine("inspect", "--format={{.Config.Image}}", container)
    volume = f"{platform.name}-state:/var/lib/ml_assets:ro"
    printed = engine("run", "--rm", f"--volume={volume}", image, "python", "-c", LOOK)
    found: dict[str, Sequence[str]] = json.loads(printed)
    return found


def verified_versions(platform: PlatformCase, directory: Path, *, after: int = 0) -> list[int]:
    """The registered versions of the model; each is fetched, and compared with its sha256.

    Args:
        platform: Where they are.
        directory: Where they are put.
        after: Versions up to this one are passed over.

    Raises:
        ModelFileError: A file is not the one that was registered.
    """
    client = MlflowClient(platform.tracking_uri)
    found = client.search_model_versions(f"name = '{MODEL}'")
    numbers = sorted(int(one.version) for one in found if int(one.version) > after)
    for number in numbers:
        version = platform.registry.version(MODEL, number)
        Model.load(platform.registry.bundle(version, directory / str(number)))
    return numbers
