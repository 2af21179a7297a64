"""What all steps of a release have in common: their partition, their errors, their files."""

import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml_assets.resources.failures import failing_plainly
from ml_assets.resources.registry import ModelRegistry
from ml_assets.resources.version_files import RegisteredVersion
from serving.release.partitions import MODEL_VERSIONS, partition_key, read_partition_key
from serving.release.records import ReleaseFiles
from serving.release.settings import ReleaseSettings

if TYPE_CHECKING:
    Result = dg.MaterializeResult[None]
else:  # Dagster reads the annotation of an asset's body and knows only the bare class
    Result = dg.MaterializeResult

Release = dg.ResourceParam[ReleaseSettings]
GROUP = "release"


def step(
    *,
    deps: Sequence[str] = (),
    kinds: set[str],
    retry_policy: dg.RetryPolicy | None = None,
) -> Callable[[Callable[..., Result]], dg.AssetsDefinition]:
    """`dg.asset` for a step of a release.

    Errors reach the user as they are; the result says how many seconds the step took.
    """

    def decorate(body: Callable[..., Result]) -> dg.AssetsDefinition:
        @wraps(body)
        def timed(*context: dg.AssetExecutionContext, **given: Any) -> Result:
            started = time.monotonic()
            with failing_plainly():
                metadata = body(*context, **given).metadata or {}
            seconds = round(time.monotonic() - started, 2)
            return dg.MaterializeResult(metadata={**metadata, "seconds": seconds})

        return dg.asset(
            deps=deps,
            group_name=GROUP,
            kinds=kinds,
            partitions_def=MODEL_VERSIONS,
            retry_policy=retry_policy,
        )(timed)

    return decorate


def version_of(context: dg.AssetExecutionContext, registry: ModelRegistry) -> RegisteredVersion:
    """The version that the run's partition names."""
    model, number = read_partition_key(context.partition_key)
    return registry.version(model, number)


def key_of(version: RegisteredVersion) -> str:
    """The partition of a version."""
    return partition_key(version.name, version.version)


def files_of(version: RegisteredVersion, release: ReleaseSettings) -> ReleaseFiles:
    """The files of a version's release."""
    return ReleaseFiles.of(release, version.name, version.version)


def who(context: dg.AssetExecutionContext) -> str:
    """How the ledger calls a run."""
    return f"run {context.run.run_id[:8]}"
