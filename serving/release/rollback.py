"""Goes back to an earlier release: verified and proved anew, then in production again."""

from dataclasses import dataclass
from pathlib import Path

from ml_assets.resources.promotions import REFUSED
from ml_assets.resources.registry import ModelRegistry
from ml_assets.resources.version_files import RegisteredVersion
from serving.release.bundle.assembling import IMAGE
from serving.release.bundle.facts import ReleaseFacts, immutable_tag
from serving.release.bundle.layers import ArchiveError
from serving.release.engine import docker, find_image, inspect_image
from serving.release.image import ServiceImage
from serving.release.parity import ParityReport, prove
from serving.release.pushing import push_bundle
from serving.release.records import BundleRecord, ReleaseError, ReleaseFiles
from serving.release.returning import Return
from serving.release.settings import ReleaseSettings
from serving.release.signing import PublicKey
from serving.release.verified import verified


@dataclass(frozen=True)
class Rollback:
    """Takes production back to a version that was released.

    Attributes:
        registry: Where the version is registered.
        release: The settings.
        moves: Moves the aliases.
    """

    registry: ModelRegistry
    release: ReleaseSettings
    moves: Return

    def to(self, version: RegisteredVersion, files: ReleaseFiles) -> ParityReport:
        """Puts a version into production again; it can be stopped anywhere and called again.

        Returns:
            What was proved before.

        Raises:
            ReleaseError: The version was never released, must not be, or was overtaken since.
            BundleError: Its bundle is damaged or forged.
            UnsignedError: Its image in the registry is not signed.
            ParityError: Its image does not answer as the evaluated model.
        """
        if REFUSED in version.tags:
            raise ReleaseError(f"{version.label} must not be released: {version.tags[REFUSED]}")
        record = files.require_bundle()
        with verified(record, files, self.release) as bundle:
            image, key = _load(bundle.directory / IMAGE, record.facts), bundle.key
        report = prove(image, self.registry.golden(version))
        self._require_in_registry(record, files, key)
        self.moves.back_to(version, image_digest=record.facts.image_digest)
        return report

    def _require_in_registry(
        self, record: BundleRecord, files: ReleaseFiles, key: PublicKey
    ) -> None:
        """Makes sure that our registry has the image with its signature; it may have been cleaned.

        Raises:
            UnsignedError: It has the image without the signature.
        """
        facts = record.facts
        repository = self.release.repository(facts.model)
        tag = immutable_tag(facts.version, facts.image_digest)
        if not repository.has(tag, facts.image_digest):
            push_bundle(record, files, self.release)
        key.verify_image(repository, facts.image_digest, annotations=facts.annotations)


def _load(archive: Path, facts: ReleaseFacts) -> ServiceImage:
    """Loads an image into the engine, unless it has it.

    Raises:
        ArchiveError: The engine calls it by another id than the release does.
    """
    if find_image(facts.image_id) is None:
        docker("image", "load", f"--input={archive}")
    else:
        docker("image", "tag", facts.image_id, facts.image)
    if (found := inspect_image(facts.image).id) not in (facts.image_id, facts.image_digest):
        raise ArchiveError(f"the engine has loaded {found}, and not {facts.image_id}")
    return ServiceImage(facts.image, found)
