"""The last assets of a release: a signed bundle, the image in our registry, and the deliveries."""

from datetime import UTC, datetime
from functools import partial

import dagster as dg
from pydantic import Field

from ml_assets.resources.registry import Alias, ModelRegistry
from ml_assets.resources.version_files import RegisteredVersion
from serving.release.records import ReleaseFiles
from serving.release.settings import ReleaseSettings
from serving.release.steps import Release, Result, files_of, key_of, step, version_of, who
from serving.release.workplace import delivering

RETRIES = dg.RetryPolicy(max_retries=4, delay=10, backoff=dg.Backoff.EXPONENTIAL)
"""A registry that is away for a moment: tried again after 10, 30, 70 and 150 seconds."""


@step(deps=["parity"], kinds={"docker", "cosign"})
def bundle(context: dg.AssetExecutionContext, registry: ModelRegistry, release: Release) -> Result:
    """The release bundle: the image and all that makes it trustworthy, in one signed archive."""
    from serving.release.bundling import Bundler

    version = version_of(context, registry)
    files = files_of(version, release)
    bundler = Bundler(registry, release, context.run.run_id, _beginning(context))
    record = bundler.bundle(version, files)
    archive = files.archive(record)
    return dg.MaterializeResult(
        metadata={
            "bundle": dg.MetadataValue.path(str(archive)),
            "bytes": archive.stat().st_size,
            "image digest": record.facts.image_digest,
            "key": record.facts.key_fingerprint,
            "development key": record.facts.development_key,
        }
    )


@step(deps=["bundle"], kinds={"docker", "mlflow", "cosign"})
def push(context: dg.AssetExecutionContext, registry: ModelRegistry, release: Release) -> Result:
    """The image in our registry, signed and with its attestations: the very one of the bundle."""
    from serving.release.pushing import push_bundle
    from serving.release.recording import Recorder

    version = version_of(context, registry)
    files = files_of(version, release)
    record = files.require_proved_bundle()
    push_bundle(record, files, release)
    digest, reference = record.facts.image_digest, f"{release.registry}/{key_of(version)}"
    registry.record_release(version, image=reference, digest=digest)
    Recorder.of(release, who=who(context)).release(record)
    return dg.MaterializeResult(
        metadata={
            "image": reference,
            "image digest": digest,
            "pull": f"docker pull {release.registry}/{version.name}@{digest}",
        }
    )


@step(deps=["push"], kinds={"cosign"}, retry_policy=RETRIES)
def delivery(
    context: dg.AssetExecutionContext, registry: ModelRegistry, release: Release
) -> Result:
    """The release with every customer of the model; who can't be reached is tried again.

    A version that is no longer in production is not delivered: a later one is, or was already.
    """
    version = version_of(context, registry)
    return _deliver(version, registry, release, who=who(context))


class RollbackConfig(dg.Config):
    """Who goes back, and why."""

    who: str = Field(min_length=1, max_length=200, description="The user and host that ask.")
    reason: str = Field(default="", max_length=500, description="Why; the ledger keeps it.")


@step(kinds={"docker", "mlflow", "cosign"}, retry_policy=RETRIES)
def rollback(
    context: dg.AssetExecutionContext,
    config: RollbackConfig,
    registry: ModelRegistry,
    release: Release,
) -> Result:
    """The return of production to this version: verified, proved, live and delivered again."""
    from serving.release.returning import Return
    from serving.release.rollback import Rollback

    version = version_of(context, registry)
    moves = Return(registry, config.who, config.reason, context.run.run_id)
    report = Rollback(registry, release, moves).to(version, files_of(version, release))
    return _deliver(version, registry, release, who=config.who, proved=report.requests)


def _deliver(
    version: RegisteredVersion,
    registry: ModelRegistry,
    release: ReleaseSettings,
    *,
    who: str,
    **more: int,
) -> Result:
    """Delivers what is in production; whom it does not reach is tried again.

    Raises:
        dagster.Failure: There is such a customer.
    """
    from serving.release.delivery.delivering import deliver
    from serving.release.recording import Recorder

    files = files_of(version, release)
    Recorder.of(release, who=who).moves(registry.version(version.name, version.version))
    with delivering(files):
        if not registry.is_live(version):
            return dg.MaterializeResult(metadata={**more, **_overtaken(version, registry)})
        is_live = partial(registry.is_live, version)
        outcome = deliver(files.require_bundle(), files, release, who=who, is_live=is_live)
        _forget_old(version, files, registry, release)
    reached = len(outcome.places) + len(outcome.failures)
    metadata: dict[str, str | int] = {"customers": reached, **outcome.places, **more}
    if outcome.failures:
        raise dg.Failure(description=outcome.complaint, metadata=metadata, allow_retries=True)
    if outcome.overtaken:
        metadata |= _overtaken(version, registry)
    return dg.MaterializeResult(metadata=metadata)


def _overtaken(version: RegisteredVersion, registry: ModelRegistry) -> dict[str, str]:
    """Why a version is not delivered, or not to all."""
    live = registry.by_alias(version.name, "production")
    return {"not delivered": f"{live.label if live else 'no version'} is in production"}


def _beginning(context: dg.AssetExecutionContext) -> datetime:
    """When a run began; now, if nobody has noted it."""
    record = context.instance.get_run_record_by_id(context.run.run_id)
    noted = record.start_time if record else None
    return datetime.now(UTC) if noted is None else datetime.fromtimestamp(noted, UTC)


def _forget_old(
    version: RegisteredVersion,
    files: ReleaseFiles,
    registry: ModelRegistry,
    release: ReleaseSettings,
) -> None:
    """Makes room for the next bundles of a model."""
    from serving.release.retention import forget_old_bundles

    aliases: tuple[Alias, ...] = ("production", "previous")
    live = (registry.by_alias(version.name, alias) for alias in aliases)
    needed = {one.version for one in live if one is not None}
    forget_old_bundles(files.records.parent, keep=release.bundles_kept, needed=needed)
