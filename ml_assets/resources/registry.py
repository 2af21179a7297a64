"""MLflow's model registry: versions, aliases, and the files of a version."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Literal

from ml_assets.core.errors import RegistryError
from ml_assets.resources.mlflow_access import all_pages
from ml_assets.resources.promotions import (
    REFUSED,
    AliasChange,
    promotion_tag,
    read_promotions,
    version_before,
)
from ml_assets.resources.version_files import (
    GOLDEN,
    GOLDEN_DIGEST,
    RegisteredVersion,
    VersionFiles,
)

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

Alias = Literal["staging", "production", "previous"]
PURPOSE, LIMITS = "purpose", "limits"
"""Tags of a version: what it is for and what it is not for, in its author's words."""


class ModelRegistry(VersionFiles):
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

    def is_live(self, version: RegisteredVersion) -> bool:
        """Whether a version is the one in production."""
        live = self.by_alias(version.name, "production")
        return live is not None and live.version == version.version

    def version(self, name: str, number: int) -> RegisteredVersion:
        """A version by its number.

        Raises:
            RegistryError: There is none.
        """
        from mlflow.exceptions import MlflowException

        with self._opened() as client:
            try:
                return _registered(client.get_model_version(name, str(number)))
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
        there = ", ".join(f"v{one}" for one in self.aliases(name))
        raise RegistryError(f"{name!r} has no version {number}; it has {there or 'none'}")

    def require(self, name: str, alias: Alias) -> RegisteredVersion:
        """The version that ``alias`` points at.

        Raises:
            RegistryError: There is none.
        """
        version = self.by_alias(name, alias)
        if version is None:
            raise RegistryError(
                f"{name!r} has no version with the alias {alias!r}; train it first: make train "
                f"MODEL={name}, or the job {name}_train"
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

    def aliases(self, name: str) -> dict[int, list[str]]:
        """Every version of a model, and the aliases that point at it."""
        with self._opened() as client:
            versions = all_pages(partial(client.search_model_versions, f"name = '{name}'"))
            models = client.search_registered_models(f"name = '{name}'")
        pointed = models[0].aliases if models else {}
        return {
            number: sorted(alias for alias, at in pointed.items() if int(at) == number)
            for number in sorted(int(one.version) for one in versions)
        }

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
        if self.is_live(version):
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

    def record_golden(self, version: RegisteredVersion, *, uri: str, digest: str) -> None:
        """Notes where MLflow keeps the golden requests of a version, and the file's sha256."""
        self.tag(version, {GOLDEN: uri, GOLDEN_DIGEST: digest})

    def _point(self, name: str, alias: Alias, number: int | None) -> None:
        """Points an alias at a version, or deletes it."""
        with self._opened() as client:
            if number is None:
                client.delete_registered_model_alias(name, alias)
            else:
                client.set_registered_model_alias(name, alias, str(number))


def _registered(version: "ModelVersion") -> RegisteredVersion:
    return RegisteredVersion(
        version.name,
        int(version.version),
        version.run_id or "",
        datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
        version.tags,
    )
