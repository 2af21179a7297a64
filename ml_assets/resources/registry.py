"""MLflow's model registry: versions, aliases, and the files of a version."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from ml_assets.core.errors import RegistryError
from ml_assets.core.records import ExampleRequest
from ml_assets.resources.mlflow_access import MlflowAccess, all_pages
from ml_assets.resources.promotions import (
    REFUSED,
    AliasChange,
    promotion_tag,
    read_promotions,
    version_before,
)
from serving.runtime.errors import ModelFileError
from serving.runtime.files import MANIFEST, read_file, sha256

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from serving.golden import GoldenRequest

Alias = Literal["staging", "production", "previous"]
BUNDLE = "data/bundle"
"""Where a registered model keeps its bundle, the directory that `serving.runtime.model` loads."""
EXAMPLE = "input_example.json"
"""Where MLflow keeps the example that was logged with a model, row by row."""
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


class ModelRegistry(MlflowAccess):
    """A thin face of MLflow's registry: what the pipeline needs and nothing else."""

    def register(
        self, model_uri: str, *, name: str, run_id: str, tags: Mapping[str, str]
    ) -> RegisteredVersion:
        """Registers a logged model, ``models:/<its id>``, as the next version of ``name``."""
        with self._opened() as client:
            if not client.search_registered_models(filter_string=f"name = '{name}'"):
                client.create_registered_model(name)
            created = client.create_model_version(
                name,
                source=model_uri,
                run_id=run_id,
                tags=dict(tags),
                model_id=model_uri.removeprefix("models:/"),
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
            record: Who, when and why, as JSON; it becomes the candidate's tag ``promotion``, and
                another one with the time in its key, which no later promotion replaces.
        """
        self.tag(candidate, {"promotion": record, promotion_tag(record): record})
        self.set_alias(candidate, "production")
        if previous is not None:
            self._point(candidate.name, "previous", previous)

    def models(self) -> dict[str, int | None]:
        """Every registered model by its name, and the version of it that is in production."""
        with self._opened() as client:
            models = all_pages(client.search_registered_models)
            live = {model.name: model.aliases.get("production") for model in models}
        return {name: int(live[name]) if live[name] else None for name in sorted(live)}

    def promotions(self, name: str) -> list[AliasChange]:
        """All promotions of a model, oldest first."""
        promoted = f"name = '{name}' and tags.promotion != ''"
        with self._opened() as client:
            versions = all_pages(partial(client.search_model_versions, promoted))
        changes = (
            one for each in versions for one in read_promotions(int(each.version), each.tags)
        )
        return sorted(changes, key=lambda change: change.when)

    def withdraw(self, version: RegisteredVersion, *, reason: str) -> int | None:
        """Refuses a version, and takes it out of production if it is there.

        `production` and `previous` go back by one promotion; versions that were refused are passed
        over. It can be stopped anywhere and called again.

        Args:
            version: The version that must not be released.
            reason: Why; it becomes the tag ``release_refused``, cut to what MLflow takes.

        Returns:
            The version that is in production now, or nothing.
        """
        from mlflow.utils.validation import MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH

        self.tag(version, {REFUSED: reason[:MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH]})
        live = self.by_alias(version.name, "production")
        if live is None or live.version != version.version:
            return live.version if live else None
        history = self.promotions(version.name)
        before = version_before(version.version, history)
        earlier = None if before is None else version_before(before, history)
        self._point(version.name, "previous", earlier)
        live = self.by_alias(version.name, "production")
        if live is not None and live.version == version.version:
            self._point(version.name, "production", before)
        return before

    def record_release(self, version: RegisteredVersion, *, image: str, digest: str) -> None:
        """Notes which image a version was released as; a refusal before it is void."""
        self.tag(version, {"image": image, "image_digest": digest})
        if REFUSED in version.tags:
            with self._opened() as client:
                client.delete_model_version_tag(version.name, str(version.version), REFUSED)

    def set_alias(self, version: RegisteredVersion, alias: Alias) -> None:
        """Points ``alias`` at ``version``; a single statement for readers of the registry."""
        self._point(version.name, alias, version.version)

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
        with TemporaryDirectory() as directory:
            file = self._downloaded(_artifact(version, EXAMPLE), Path(directory))
            table = json.loads(file.read_bytes())
        columns = zip(*table["data"], strict=True)
        return ExampleRequest(data=dict(zip(table["columns"], map(list, columns), strict=True)))

    def record_golden(self, version: RegisteredVersion, *, uri: str, digest: str) -> None:
        """Notes where MLflow keeps the golden requests of a version, and the file's sha256."""
        self.tag(version, {GOLDEN: uri, GOLDEN_DIGEST: digest})

    def golden(self, version: RegisteredVersion) -> "list[GoldenRequest]":
        """The requests that ``version`` was evaluated with, and what it must answer to them.

        Raises:
            RegistryError: There are none, or they can't be fetched.
            ModelFileError: The file is not the one that the evaluation wrote.
        """
        from serving.golden import read_golden

        if GOLDEN not in version.tags:
            raise RegistryError(
                f"{version.label} has no golden requests to be proved with; run "
                f"{version.name}_evaluate while the alias 'staging' points at it"
            )
        with TemporaryDirectory() as directory:
            content = read_file(self._downloaded(version.tags[GOLDEN], Path(directory)))
        if sha256(content) != version.tags.get(GOLDEN_DIGEST):
            raise ModelFileError(
                f"{version.tags[GOLDEN]} is not the file that the evaluation of {version.label} "
                f"wrote; restore it, or run {version.name}_evaluate again"
            )
        return read_golden(content)

    def _point(self, name: str, alias: Alias, number: int | None) -> None:
        """Points an alias at a version, or deletes it."""
        with self._opened() as client:
            if number is None:
                client.delete_registered_model_alias(name, alias)
            else:
                client.set_registered_model_alias(name, alias, str(number))


def _artifact(version: RegisteredVersion, path: str) -> str:
    return f"models:/{version.name}/{version.version}/{path}"


def _registered(version: "ModelVersion") -> RegisteredVersion:
    return RegisteredVersion(
        version.name,
        int(version.version),
        version.run_id or "",
        datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
        version.tags,
    )
