"""The files that MLflow keeps of a model's version."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ml_assets.core.errors import RegistryError
from ml_assets.core.records import ExampleRequest
from ml_assets.resources.mlflow_access import MlflowAccess
from serving.runtime.errors import ModelFileError
from serving.runtime.files import MANIFEST, read_file, sha256

if TYPE_CHECKING:
    from serving.golden import GoldenRequest

BUNDLE = "data/bundle"
"""Where a registered model keeps its bundle, the directory that `serving.runtime.model` loads."""
EXAMPLE = "input_example.json"
"""Where MLflow keeps the example that was logged with a model, row by row."""
EVALUATION = "evaluation.json"
"""Where the run of an evaluation keeps its record."""
GOLDEN, GOLDEN_DIGEST = "golden", "sha256.golden.jsonl.gz"
"""Tags of a version: where MLflow keeps its golden requests, and the sha256 of that file."""


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of a registered model.

    Attributes:
        name: Name of the registered model.
        version: Its number.
        run_id: The MLflow run that logged it.
        created: When it was registered, in UTC.
        tags: Its tags, for instance ``data_version`` and ``sha256.model.ubj``.
    """

    name: str
    version: int
    run_id: str
    created: datetime
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """How people call it: ``iris v3``."""
        return f"{self.name} v{self.version}"


class VersionFiles(MlflowAccess):
    """Fetches files of versions, and compares them with what the registry says of them."""

    def bundle(self, version: RegisteredVersion, directory: Path) -> Path:
        """Downloads the model bundle of ``version`` below ``directory``.

        Only files are read: the code that the artifact carries is never imported. The manifest is
        compared with the digest that the registry holds; it names the digests of the other files.

        Raises:
            RegistryError: The bundle can't be fetched.
            ModelFileError: Its manifest is not the one that was registered.
        """
        bundle = self._downloaded(_artifact(version, BUNDLE), directory)
        if sha256(read_file(bundle / MANIFEST)) != version.tags.get(f"sha256.{MANIFEST}"):
            raise ModelFileError(
                f"{MANIFEST} of {version.label} is not the file that was registered; somebody "
                "changed it where MLflow keeps its artifacts. Restore it, or train again"
            )
        return bundle

    def example(self, version: RegisteredVersion) -> ExampleRequest:
        """The request that was logged with ``version`` and that it answers.

        Raises:
            RegistryError: It can't be fetched.
        """
        table = json.loads(self._read(_artifact(version, EXAMPLE)))
        columns = zip(*table["data"], strict=True)
        return ExampleRequest(data=dict(zip(table["columns"], map(list, columns), strict=True)))

    def golden(self, version: RegisteredVersion) -> "list[GoldenRequest]":
        """The requests that ``version`` was evaluated with, and what it must answer to them.

        Raises:
            RegistryError: There are none, or they can't be fetched.
            ModelFileError: The file is not the one that the evaluation wrote.
        """
        from serving.golden import read_golden

        return read_golden(self.golden_file(version))

    def golden_file(self, version: RegisteredVersion) -> bytes:
        """The file of a version's golden requests.

        Raises:
            RegistryError: There is none, or it can't be fetched.
            ModelFileError: It is not the one that the evaluation wrote.
        """
        content = self._read(_golden_uri(version))
        if sha256(content) != version.tags.get(GOLDEN_DIGEST):
            raise ModelFileError(
                f"{version.tags[GOLDEN]} is not the file that the evaluation of {version.label} "
                f"wrote; restore it, or run {version.name}_evaluate again"
            )
        return content

    def evaluation(self, version: RegisteredVersion) -> Mapping[str, Any]:
        """The record of the evaluation that golden requests of ``version`` come from.

        Raises:
            RegistryError: There is none, or it can't be fetched.
            ModelFileError: It is damaged.
        """
        run = _golden_uri(version).rpartition("/")[0]
        try:
            record: Mapping[str, Any] = json.loads(self._read(f"{run}/{EVALUATION}"))
        except ValueError as error:
            raise ModelFileError(
                f"{run}/{EVALUATION} of {version.label} is damaged; restore it, or run "
                f"{version.name}_evaluate again"
            ) from error
        return record

    def _read(self, uri: str) -> bytes:
        """The content of a file of MLflow's."""
        with TemporaryDirectory() as directory:
            return read_file(self._downloaded(uri, Path(directory)))


def _artifact(version: RegisteredVersion, path: str) -> str:
    return f"models:/{version.name}/{version.version}/{path}"


def _golden_uri(version: RegisteredVersion) -> str:
    """Where MLflow keeps the golden requests of a version."""
    if GOLDEN not in version.tags:
        raise RegistryError(
            f"{version.label} has no golden requests to be proved with; run "
            f"{version.name}_evaluate while the alias 'staging' points at it"
        )
    return version.tags[GOLDEN]
