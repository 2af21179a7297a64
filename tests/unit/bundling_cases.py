"""The making of bundles where no registry tells of the model, and no engine has the image."""

from dataclasses import dataclass, field
from pathlib import Path

from ml_assets.resources.registry import ModelRegistry
from ml_assets.resources.version_files import RegisteredVersion
from serving.release.admission import Admitted
from serving.release.bundle.archive import unpacked
from serving.release.bundle.assembling import Parts
from serving.release.bundle.checking import check_bundle
from serving.release.bundle.facts import RELEASE, ReleaseFacts
from serving.release.bundle.oci import OciImage
from serving.release.bundling import Bundler
from serving.release.records import BundleRecord, ImageRecord, ProofRecord, ReleaseFiles
from serving.release.settings import ReleaseSettings
from serving.release.signing import Signer
from serving.release.workplace import LOCK
from tests.unit.bundle_cases import MADE, KeyPair, facts_of, parts
from tests.unit.saved_images import SavedImage, SmallEngine

VERSION = RegisteredVersion("oven", 3, run_id="run1", created=MADE, tags={})


@dataclass(frozen=True)
class _WithKey(ReleaseSettings):
    """Settings with a key in memory."""

    def require_signer(self) -> Signer:
        return KEY


KEY = KeyPair()


class _Bundler(Bundler):
    """One who knows all of the model by heart."""

    def _parts(
        self,
        version: RegisteredVersion,
        files: ReleaseFiles,
        oci: OciImage,
        *,
        known: Admitted,
        signer: Signer,
        fingerprint: str,
    ) -> Parts:
        return parts(oci, facts_of(oci, signer), contents=known.contents, scan=known.scan)


@dataclass(frozen=True)
class Workbench:
    """Where bundles of a version are made.

    Attributes:
        files: The files of its release.
        image: Its image.
        settings: Where everything is.
    """

    files: ReleaseFiles
    image: SavedImage
    settings: ReleaseSettings = field(default_factory=_WithKey.from_environment)

    @classmethod
    def create(cls, home: Path, image: SavedImage) -> "Workbench":
        """A version whose image is proved."""
        files = ReleaseFiles(home / "bento", home / "releases" / "oven" / "v3")
        files.write_image(ImageRecord(name="oven:v3", id=image.id))
        proof = ProofRecord(image_id=image.id, requests=2, largest_difference=0)
        files.write_proof(proof, documents={})
        return cls(files, image)

    @property
    def engine(self) -> SmallEngine:
        """What has its image."""
        return SmallEngine(self.image)

    def work(self) -> BundleRecord:
        """Makes the bundle."""
        registry = ModelRegistry(tracking_uri="unused")
        return _Bundler(registry, self.settings, "run1", MADE).bundle(VERSION, self.files)

    def check(self, archive: Path) -> None:
        """Checks that an archive is a whole bundle of the version."""
        records = self.files.records
        with unpacked(archive, scratch=records.parent) as found:
            about = ReleaseFacts.model_validate_json((found / RELEASE).read_bytes())
            check_bundle(found, about, fingerprint=KEY.public_key().fingerprint)

    @property
    def left(self) -> set[str]:
        """What lies beside the records, hidden or not."""
        return {one.name for one in self.files.records.iterdir()} - {
            "image.json",
            "proof.json",
            LOCK,
        }
