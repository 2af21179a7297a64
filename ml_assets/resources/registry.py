"""MLflow's model registry: versions, aliases, and the files of a version."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import dagster as dg

from ml_assets.core.errors import RegistryError
from ml_assets.core.records import ExampleRequest
from ml_assets.resources.tracking import quiet_mlflow
from serving.runtime.errors import ModelFileError
from serving.runtime.files import MANIFEST, read_file, sha256

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

Alias = Literal["staging", "production", "previous"]
BUNDLE = "data/bundle"
"""Where a registered model keeps its bundle, the directory that `serving.runtime.model` loads."""
EXAMPLE = "input_example.json"
"""Where MLflow keeps the example that was logged with a model, row by row."""


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of a registered model.

    Attributes:
        name: Name of the registered model.
        version: Its number.
        run_id: The MLflow run that logged it.
        tags: Its tags, for instance ``data_version`` and ``sha256.model.ubj``.
    """

    name: str
    version: int
    run_id: str
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """How people call it: ``iris v3``."""
        return f"{self.name} v{self.version}"


class ModelRegistry(dg.ConfigurableResource):  # type: ignore[type-arg]
    """A thin face of MLflow's registry: what the pipeline needs and nothing else."""

    tracking_uri: str

    def register(
        self, model_uri: str, *, name: str, run_id: str, tags: Mapping[str, str]
    ) -> RegisteredVersion:
        """Registers a logged model as the next version of ``name``."""
        with self._opened() as client:
            if not client.search_registered_models(filter_string=f"name = '{name}'"):
                client.create_registered_model(name)
            created = client.create_model_version(
                name, source=model_uri, run_id=run_id, tags=dict(tags)
            )
            return _registered(created)

    def by_alias(self, name: str, alias: Alias) -> RegisteredVersion | None:
        """The version that ``alias`` points at, or nothing."""
        from mlflow.exceptions import MlflowException

        with self._opened() as client:
            try:
                return _registered(client.get_model_version_by_alias(name, alias))
            except MlflowException as error:
                if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                    return None
                raise

    def version(self, name: str, number: int) -> RegisteredVersion:
        """A version by its number.

        Raises:
            RegistryError: There is none.
        """
        with self._opened() as client:
            return _registered(client.get_model_version(name, str(number)))

    def require(self, name: str, alias: Alias) -> RegisteredVersion:
        """The version that ``alias`` points at.

        Raises:
            RegistryError: There is none.
        """
        version = self.by_alias(name, alias)
        if version is None:
            raise RegistryError(
                f"{name!r} has no version with the alias {alias!r}; run {name}_train first"
            )
        return version

    def promote(self, candidate: RegisteredVersion, *, previous: int | None, record: str) -> None:
        """Points `production` at ``candidate`` and `previous` at the version before.

        It can be stopped anywhere and called again with the same values.

        Args:
            candidate: The version that goes into production.
            previous: The version that was there, or nothing.
            record: Who, when and why, as JSON; it becomes the candidate's tag ``promotion``.
        """
        self.tag(candidate, {"promotion": record})
        self.set_alias(candidate, "production")
        if previous is not None:
            self.set_alias(RegisteredVersion(candidate.name, previous, ""), "previous")

    def set_alias(self, version: RegisteredVersion, alias: Alias) -> None:
        """Points ``alias`` at ``version``; a single statement for readers of the registry."""
        with self._opened() as client:
            client.set_registered_model_alias(version.name, alias, str(version.version))

    def tag(self, version: RegisteredVersion, tags: Mapping[str, str]) -> None:
        """Adds tags to a version."""
        with self._opened() as client:
            for key, value in tags.items():
                client.set_model_version_tag(version.name, str(version.version), key, value)

    def bundle(self, version: RegisteredVersion, directory: Path) -> Path:
        """Downloads the model bundle of ``version`` below ``directory``.

        Only files are read: the code that the artifact carries is never imported. The manifest is
        compared with the digest that the registry holds; it names the digests of the other files.

        Raises:
            RegistryError: The bundle can't be fetched.
            ModelFileError: Its manifest is not the one that was registered.
        """
        bundle = self._downloaded(version, BUNDLE, directory)
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
        with TemporaryDirectory() as directory:
            table = json.loads(self._downloaded(version, EXAMPLE, Path(directory)).read_bytes())
        columns = zip(*table["data"], strict=True)
        return ExampleRequest(data=dict(zip(table["columns"], map(list, columns), strict=True)))

    def _downloaded(self, version: RegisteredVersion, path: str, directory: Path) -> Path:
        with self._opened():
            import mlflow

            mlflow.set_tracking_uri(self.tracking_uri)
            uri = f"models:/{version.name}/{version.version}/{path}"
            return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(directory)))

    @contextmanager
    def _opened(self) -> Iterator["MlflowClient"]:
        """A client, whose errors are told as the registry's."""
        quiet_mlflow()
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield MlflowClient(self.tracking_uri, registry_uri=self.tracking_uri)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise RegistryError(
                f"MLflow at {self.tracking_uri} can't do that: {error}; check that it runs, that "
                "its files are there, and that the disk has room"
            ) from error


def _registered(version: "ModelVersion") -> RegisteredVersion:
    return RegisteredVersion(version.name, int(version.version), version.run_id or "", version.tags)
