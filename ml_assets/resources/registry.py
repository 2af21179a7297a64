"""MLflow's model registry: versions, aliases, and the files of a version."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import dagster as dg

from ml_assets.core.errors import RegistryError
from ml_assets.resources.tracking import quiet_mlflow

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

Alias = Literal["staging", "production", "previous"]
BUNDLE = "data/bundle"
"""Where a registered model keeps its bundle, the directory that `serving.runtime.model` loads."""


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of a registered model.

    Attributes:
        name: Name of the registered model.
        version: Its number.
        run_id: The MLflow run that logged it.
        tags: Its tags, for instance ``data_version`` and ``model_sha256``.
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
        client = self._client()
        if not client.search_registered_models(filter_string=f"name = '{name}'"):
            client.create_registered_model(name)
        created = client.create_model_version(
            name, source=model_uri, run_id=run_id, tags=dict(tags)
        )
        return _registered(created)

    def by_alias(self, name: str, alias: Alias) -> RegisteredVersion | None:
        """The version that ``alias`` points at, or nothing."""
        from mlflow.exceptions import MlflowException

        try:
            return _registered(self._client().get_model_version_by_alias(name, alias))
        except MlflowException as error:
            if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return None
            raise

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

    def set_alias(self, version: RegisteredVersion, alias: Alias) -> None:
        """Points ``alias`` at ``version``; a single statement for readers of the registry."""
        self._client().set_registered_model_alias(version.name, alias, str(version.version))

    def tag(self, version: RegisteredVersion, tags: Mapping[str, str]) -> None:
        """Adds tags to a version."""
        for key, value in tags.items():
            self._client().set_model_version_tag(version.name, str(version.version), key, value)

    def bundle(self, version: RegisteredVersion, directory: Path) -> Path:
        """Downloads the model bundle of ``version`` below ``directory``.

        Only files are read: the code that the artifact carries is never imported.
        """
        import mlflow

        mlflow.set_tracking_uri(self.tracking_uri)
        uri = f"models:/{version.name}/{version.version}"
        return Path(mlflow.artifacts.download_artifacts(f"{uri}/{BUNDLE}", dst_path=str(directory)))

    def _client(self) -> "MlflowClient":
        quiet_mlflow()
        from mlflow import MlflowClient

        return MlflowClient(self.tracking_uri, registry_uri=self.tracking_uri)


def _registered(version: "ModelVersion") -> RegisteredVersion:
    return RegisteredVersion(version.name, int(version.version), version.run_id or "", version.tags)
