"""The assets of a release, each for one version of a model: from its files to an image in use."""

import time
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml_assets.resources.failures import failing_plainly
from ml_assets.resources.promotions import promotion_metrics
from ml_assets.resources.registry import ModelRegistry, RegisteredVersion
from serving.release.partitions import MODEL_VERSIONS, partition_key, read_partition_key
from serving.release.records import ImageRecord, ProofRecord, ReleaseFiles
from serving.release.settings import ReleaseSettings

if TYPE_CHECKING:
    from serving.release.parity import ParityReport

    Result = dg.MaterializeResult[None]
else:  # Dagster reads the annotation of an asset's body and knows only the bare class
    Result = dg.MaterializeResult

Release = dg.ResourceParam[ReleaseSettings]
GROUP = "release"


def _asset(
    *, deps: Sequence[str] = (), kinds: set[str]
) -> Callable[[Callable[..., Result]], dg.AssetsDefinition]:
    """`dg.asset` with what all steps of a release have in common.

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

        return dg.asset(deps=deps, group_name=GROUP, kinds=kinds, partitions_def=MODEL_VERSIONS)(
            timed
        )

    return decorate


@_asset(kinds={"bentoml", "mlflow"})
def bento(context: dg.AssetExecutionContext, registry: ModelRegistry, release: Release) -> Result:
    """The Bento: the runtime and the model's files, verified; no code of the artifact is run."""
    from serving.release.packaging import build_bento
    from serving.runtime.release_notes import ReleaseNotes

    version = _version(context, registry)
    notes = ReleaseNotes(
        metrics=promotion_metrics(version.tags), support_contact=release.support_contact
    )
    with TemporaryDirectory() as scratch:
        bundle = registry.bundle(version, Path(scratch))
        built = build_bento(
            bundle,
            version=str(version.version),
            created=version.created,
            bento_home=release.bento_home,
            notes=notes,
        )
    return dg.MaterializeResult(
        metadata={
            "Bento": built.tag,
            "path": dg.MetadataValue.path(str(built.path)),
            "bytes": _directory_size(built.path),
            "data version": version.tags.get("data_version", ""),
        }
    )


@_asset(deps=["bento"], kinds={"docker"})
def service_image(
    context: dg.AssetExecutionContext, registry: ModelRegistry, release: Release
) -> Result:
    """The image of the service: the runtime base, and the Bento as one thin layer."""
    from serving.release.engine import image_size
    from serving.release.image import GIT_COMMIT, RUN, build_image
    from serving.release.packaging import BuiltBento

    version = _version(context, registry)
    files = _files(version, release)
    base = _base(files.require_bento(), release)
    image = build_image(
        BuiltBento(_key(version), files.bento),
        name=f"{release.platform}/{_key(version)}",
        base=base,
        labels={GIT_COMMIT: version.tags.get("git_commit", ""), RUN: version.run_id},
    )
    files.write_image(ImageRecord(name=image.name, id=image.id))
    total = image_size(image.id)
    return dg.MaterializeResult(
        metadata={
            "image": image.name,
            "image id": image.id,
            "base": base,
            "bytes": total,
            "bytes on top of the base": total - image_size(base),
        }
    )


@_asset(deps=["service_image"], kinds={"docker", "mlflow"})
def parity(context: dg.AssetExecutionContext, registry: ModelRegistry, release: Release) -> Result:
    """The proof that the image answers as the evaluated model; else production goes back."""
    from serving.release.image import ServiceImage
    from serving.release.parity import ParityError, prove

    version = _version(context, registry)
    files = _files(version, release)
    image = files.require_image()
    files.forget_proof()
    try:
        report = prove(ServiceImage(image.name, image.id), registry.golden(version))
    except ParityError as error:
        raise _refused(version, registry, reason=str(error)) from error
    files.write_proof(
        ProofRecord(
            image_id=image.id,
            requests=report.requests,
            largest_difference=report.largest_difference,
        )
    )
    return dg.MaterializeResult(metadata={"image id": image.id, **_figures(report)})


@_asset(deps=["parity"], kinds={"docker", "mlflow"})
def push(context: dg.AssetExecutionContext, registry: ModelRegistry, release: Release) -> Result:
    """The image in the registry that customers pull it from: the very one that was proved."""
    from serving.release.image import ServiceImage
    from serving.release.push import push as push_image

    version = _version(context, registry)
    image = _files(version, release).require_proved_image()
    reference = f"{release.registry}/{_key(version)}"
    digest = push_image(ServiceImage(image.name, image.id), reference=reference)
    registry.record_release(version, image=reference, digest=digest)
    return dg.MaterializeResult(
        metadata={
            "image": reference,
            "image digest": digest,
            "pull": f"docker pull {release.registry}/{version.name}@{digest}",
        }
    )


def _refused(version: RegisteredVersion, registry: ModelRegistry, *, reason: str) -> dg.Failure:
    """Withdraws a version whose image differs from the model that was evaluated.

    A version that was released before stays: what customers run is an image that was proved, so
    that it is the new build that is at fault.
    """
    if released := version.tags.get("image_digest"):
        fate = f"{version.label} stays, as it was released before as {released}"
    else:
        live = registry.withdraw(version, reason=reason)
        fate = f"v{live} is in production now" if live else "nothing is in production now"
    return dg.Failure(
        description=f"{reason}\n\nNothing was pushed; {fate}.",
        metadata={
            "report": dg.MetadataValue.md(f"```text\n{reason}\n```"),
            "production": fate,
        },
        allow_retries=False,
    )


def _version(context: dg.AssetExecutionContext, registry: ModelRegistry) -> RegisteredVersion:
    """The version that the run's partition names."""
    model, number = read_partition_key(context.partition_key)
    return registry.version(model, number)


def _key(version: RegisteredVersion) -> str:
    return partition_key(version.name, version.version)


def _files(version: RegisteredVersion, release: ReleaseSettings) -> ReleaseFiles:
    return ReleaseFiles.of(release, version.name, version.version)


def _base(bento: Path, release: ReleaseSettings) -> str:
    """The runtime base that has the libraries of a Bento's model."""
    from serving.runtime.files import SKOPS_FILE
    from serving.runtime.manifest import read_manifest

    of_sklearn = SKOPS_FILE in read_manifest(bento / "src" / "model").files
    return release.serve_sklearn_image if of_sklearn else release.serve_image


def _directory_size(directory: Path) -> int:
    """Size of all files below a directory, in bytes."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def _figures(report: "ParityReport") -> dict[str, int | float]:
    return {
        "golden requests": report.requests,
        "numbers compared": report.numbers,
        "largest difference": report.largest_difference,
        "seconds to ready": round(report.seconds_to_ready, 2),
        "requests per second": round(report.requests_per_second, 1),
    }
