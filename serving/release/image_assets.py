"""The first assets of a release: from the files of a model version to an image that is proved."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.resources.promotions import promotion_metrics
from ml_assets.resources.registry import ModelRegistry
from ml_assets.resources.version_files import RegisteredVersion
from serving.release.records import ImageRecord, ProofRecord
from serving.release.settings import ReleaseSettings
from serving.release.steps import Release, Result, files_of, key_of, step, version_of, who

if TYPE_CHECKING:
    from serving.release.parity import ParityReport


@step(kinds={"bentoml", "mlflow"})
def bento(context: dg.AssetExecutionContext, registry: ModelRegistry, release: Release) -> Result:
    """The Bento: the runtime and the model's files, verified; no code of the artifact is run."""
    from serving.release.packaging import build_bento
    from serving.release.recording import Recorder
    from serving.runtime.release_notes import ReleaseNotes

    version = version_of(context, registry)
    Recorder.of(release, who=who(context)).moves(version)
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


@step(deps=["bento"], kinds={"docker"})
def service_image(
    context: dg.AssetExecutionContext, registry: ModelRegistry, release: Release
) -> Result:
    """The image of the service: the runtime base, and the Bento as one thin layer."""
    from serving.release.engine import image_size
    from serving.release.image import GIT_COMMIT, RUN, build_image
    from serving.release.packaging import BuiltBento

    version = version_of(context, registry)
    files = files_of(version, release)
    base = _base(files.require_model(), release)
    image = build_image(
        BuiltBento(key_of(version), files.bento),
        name=f"{release.platform}/{key_of(version)}",
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


@step(deps=["service_image"], kinds={"docker", "mlflow"})
def parity(context: dg.AssetExecutionContext, registry: ModelRegistry, release: Release) -> Result:
    """The proof that the image answers as the evaluated model; else production goes back."""
    from serving.release.image import ServiceImage
    from serving.release.parity import ParityError, prove

    version = version_of(context, registry)
    files = files_of(version, release)
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
        ),
        documents=report.documents,
    )
    return dg.MaterializeResult(metadata={"image id": image.id, **_figures(report)})


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


def _base(model: Path, release: ReleaseSettings) -> str:
    """The runtime base that has the libraries of a model, by its directory."""
    from serving.runtime.manifest import read_manifest

    is_of_sklearn = read_manifest(model).needs_sklearn
    return release.serve_sklearn_image if is_of_sklearn else release.serve_image


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
