"""Goes back to an earlier release: verified and proved anew, then live and delivered again."""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ml_assets.resources.promotions import REFUSED, promotion_metrics
from ml_assets.resources.registry import ModelRegistry
from ml_assets.resources.version_files import RegisteredVersion
from serving.release.bundle.archive import unpacked
from serving.release.bundle.assembling import IMAGE
from serving.release.bundle.checking import check_bundle
from serving.release.bundle.facts import ReleaseFacts, immutable_tag
from serving.release.bundle.layers import ArchiveError
from serving.release.bundle.signed_files import KEY
from serving.release.delivery.delivering import Outcome, deliver
from serving.release.engine import docker, find_image, inspect_image
from serving.release.image import ServiceImage
from serving.release.ledger.entries import Release
from serving.release.ledger.ledger import Ledger
from serving.release.parity import ParityReport, prove
from serving.release.pushing import push_bundle
from serving.release.recording import Recorder
from serving.release.records import BundleRecord, ReleaseError, ReleaseFiles
from serving.release.settings import ReleaseSettings
from serving.release.signing import PublicKey
from serving.release.workplace import delivering, workplace

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rollback:
    """Takes production back to a version that was released.

    Attributes:
        registry: Where the version is registered.
        release: The settings.
        who: The user who asks for it.
        reason: Why.
        run: The Dagster run.
    """

    registry: ModelRegistry
    release: ReleaseSettings
    who: str
    reason: str
    run: str

    def to(self, version: RegisteredVersion, files: ReleaseFiles) -> tuple[ParityReport, Outcome]:
        """Goes back to a version; it can be stopped anywhere and called again.

        Returns:
            What was proved, and what became of the deliveries.

        Raises:
            ReleaseError: The version was never released, or must not be.
            BundleError: Its bundle is damaged or forged.
            UnsignedError: Its image in the registry is not signed.
            ParityError: Its image does not answer as the evaluated model.
        """
        if REFUSED in version.tags:
            raise ReleaseError(f"{version.label} must not be released: {version.tags[REFUSED]}")
        record = files.require_bundle()
        key = self._verify(record, files)
        image = ServiceImage(record.facts.image, inspect_image(record.facts.image).id)
        report = prove(image, self.registry.golden(version))
        self._require_in_registry(record, files, key)
        with delivering(files):
            from_version = self._move(version)
            recorder = Recorder.of(self.release, who=self.who)
            recorder.rollback(record.facts, from_version=from_version, reason=self.reason)
            return report, deliver(record, files, self.release, who=self.who)

    def _verify(self, record: BundleRecord, files: ReleaseFiles) -> PublicKey:
        """Verifies a bundle by the key that the ledger has noted, and loads its image."""
        fingerprint = self._fingerprint(record)
        with workplace(files) as place, unpacked(files.archive(record), scratch=place) as bundle:
            _log.info("verifying %s", bundle.name)
            check_bundle(bundle, record.facts, fingerprint=fingerprint)
            _load(bundle / IMAGE, record.facts)
            return PublicKey((bundle / KEY).read_bytes())

    def _fingerprint(self, record: BundleRecord) -> str:
        """Fingerprint of the key of a release, as the ledger says it."""
        facts = record.facts
        for entry in reversed(Ledger.of(self.release.home).verify().entries):
            if isinstance(entry, Release) and entry.image_digest == facts.image_digest:
                return entry.key.fingerprint
        raise ReleaseError(
            f"the ledger knows of no release of {facts.image_digest}; release {facts.label} again"
        )

    def _require_in_registry(
        self, record: BundleRecord, files: ReleaseFiles, key: PublicKey
    ) -> None:
        """Makes sure that our registry has the image with its signature; it may have been cleaned.

        Raises:
            UnsignedError: It has the image without the signature.
        """
        facts = record.facts
        repository = self.release.repository(facts.model)
        if repository.digest_of(immutable_tag(facts.version, facts.image_digest)) is None:
            push_bundle(record, files, self.release)
        key.verify_image(repository, facts.image_digest, annotations=facts.annotations)

    def _move(self, version: RegisteredVersion) -> int | None:
        """Moves the aliases, unless a run before has; returns the version that was given up."""
        live = self.registry.by_alias(version.name, "production")
        if live is not None and live.version == version.version:
            return _given_up(version)
        before = live.version if live else None
        metrics = promotion_metrics(version.tags)
        record = {
            "model": version.name,
            "from_version": before,
            "to_version": version.version,
            "who": self.who,
            "when": datetime.now(UTC).isoformat(),
            "metrics": {name: one for name, one in metrics.items() if one is not None},
            "reason": self.reason,
            "run_id": self.run,
            "rollback": True,
        }
        self.registry.promote(version, previous=before, record=json.dumps(record))
        return before


def _load(archive: Path, facts: ReleaseFacts) -> None:
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


def _given_up(version: RegisteredVersion) -> int | None:
    """The version that a rollback to this one, which moved the aliases before, has given up.

    Raises:
        ReleaseError: No rollback put it into production.
    """
    record = json.loads(version.tags.get("promotion", "{}"))
    if not record.get("rollback"):
        raise ReleaseError(
            f"{version.label} is in production already; make deliver hands it over again"
        )
    before: int | None = record["from_version"]
    return before
