"""A model in a real registry of MLflow, and what can happen to its alias `production`."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlflow import MlflowClient

from ml_assets.resources.registry import Alias, ModelRegistry
from ml_assets.resources.version_files import RegisteredVersion
from serving.golden import GOLDEN_FILE, GoldenRequest, write_golden
from serving.runtime.files import sha256

START = datetime(2026, 1, 2, 3, 4, 5, 123456, UTC)


class Shelf:
    """The versions of one model; each promotion is a second after the one before."""

    def __init__(self, registry: ModelRegistry, name: str = "oven", *, versions: int = 3) -> None:
        self.registry = registry
        self.name = name
        self._times = (START + timedelta(seconds=number) for number in itertools.count())
        for _ in range(versions):
            registry.register("/nowhere", name=name, run_id=32 * "a", tags={"data_version": "d"})

    def version(self, number: int) -> RegisteredVersion:
        """A version as the registry has it now."""
        return self.registry.version(self.name, number)

    def points_at(self, alias: Alias) -> int | None:
        """The version that an alias points at."""
        found = self.registry.by_alias(self.name, alias)
        return found.version if found else None

    @property
    def live(self) -> int | None:
        """The version in production."""
        return self.points_at("production")

    def record(self, number: int, *, before: int | None = None) -> str:
        """The record of a promotion that is made now."""
        when = next(self._times).isoformat()
        return json.dumps({"from_version": before, "to_version": number, "when": when})

    def promote(self, *numbers: int) -> None:
        """Promotes versions, one after the other."""
        for number in numbers:
            before = self.live
            record = self.record(number, before=before)
            self.registry.promote(self.version(number), previous=before, record=record)

    def roll_back(self, number: int, *, when: datetime | None = None) -> None:
        """Takes production back to a version."""
        before = self.live
        record = json.loads(self.record(number, before=before)) | {"rollback": True}
        if when is not None:
            record["when"] = when.isoformat()
        self.registry.promote(self.version(number), previous=before, record=json.dumps(record))

    def promote_half(self, number: int) -> None:
        """Promotes a version, but for the move of the alias."""
        before = self.live
        self.promote(number)
        self.hand_move(before)

    def hand_move(self, number: int | None) -> None:
        """Moves the alias, or deletes it, without a record."""
        self.registry._point(self.name, "production", number)


def keep_golden(
    shelf: Shelf, number: int, directory: Path, *, requests: int, evaluation: str = "{}"
) -> None:
    """Gives a version golden requests and the record of an evaluation, as its evaluation does."""
    client = MlflowClient(shelf.registry.tracking_uri)
    experiment = client.create_experiment(shelf.name, artifact_location=directory.as_uri())
    run_id = client.create_run(experiment).info.run_id
    path = directory / GOLDEN_FILE
    write_golden([GoldenRequest(data={"a": [1]}, predictions=[1.0])] * requests, path)
    client.log_artifact(run_id, str(path))
    client.log_text(run_id, evaluation, "evaluation.json")
    uri = f"runs:/{run_id}/{GOLDEN_FILE}"
    digest = sha256(path.read_bytes())
    shelf.registry.record_golden(shelf.version(number), uri=uri, digest=digest)
