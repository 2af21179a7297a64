"""Makes the release bundle of a version whose image is proved."""

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path

from pydantic import ValidationError

from ml_assets.resources.files import told_plainly
from ml_assets.resources.registry import LIMITS, PURPOSE, ModelRegistry
from ml_assets.resources.version_files import RegisteredVersion
from serving.release.admission import Admitted, admit
from serving.release.bundle.archive import pack
from serving.release.bundle.assembling import Parts, assemble
from serving.release.bundle.checking import is_sound
from serving.release.bundle.facts import UNKNOWN, ReleaseFacts, immutable_tag
from serving.release.bundle.measured import EvaluationFile, Measured
from serving.release.bundle.oci import OciImage, write_layout
from serving.release.bundle.signed_files import SUMS, file_sha256, sign_directory
from serving.release.contents.sbom import ModelFile
from serving.release.earlier import find_earlier
from serving.release.engine import docker
from serving.release.ledger.ledger import Ledger
from serving.release.origin import Origin
from serving.release.parity import SERVED_MODEL, SERVED_OPENAPI
from serving.release.records import BundleRecord, ReleaseError, ReleaseFiles
from serving.release.settings import PROJECT, ReleaseSettings
from serving.release.signing import Signer
from serving.release.workplace import workplace
from serving.runtime.files import MANIFEST, read_file, sha256
from serving.runtime.manifest import first_line, read_manifest

SERVICE_PAGE = PROJECT.parent / "docs" / "service.md"


@dataclass(frozen=True)
class Bundler:
    """Makes bundles.

    Attributes:
        registry: Where the version is registered.
        release: The settings.
        run: The Dagster run.
        started: When it began.
    """

    registry: ModelRegistry
    release: ReleaseSettings
    run: str
    started: datetime

    def bundle(self, version: RegisteredVersion, files: ReleaseFiles) -> BundleRecord:
        """The bundle of a version; one of the same image, key and advisories is kept as it is.

        The image is looked at each time: it may be kept, and be refused by what is known today.

        Raises:
            ReleaseError: The image was not proved.
            RefusedError: It holds what it must not, or packages with advisories that count.
            CosignError: The key can't be used.
            EngineError: The engine does not have the image, or is out of reach.
            StateError: No space, or no permission; nothing that looks finished is left.
        """
        image = files.require_proved_image()
        signer = self.release.require_signer()
        fingerprint = signer.public_key().fingerprint
        with workplace(files) as place:
            oci = write_layout(image.id, place / "layout", cache=self.release.home / "layers")
            known = admit(oci, name=version.label, scan_home=self.release.scan_home)
            if found := _kept_one(files, image.id, fingerprint, known=known, scratch=place):
                return found
            parts = self._parts(
                version, files, oci, known=known, signer=signer, fingerprint=fingerprint
            )
            _write(place / "bundle", parts, signer)
            return _pack(place / "bundle", parts.facts, files, proved=image.id)

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
        return Parts(
            facts=self._facts(version, files, oci, signer=signer, fingerprint=fingerprint),
            image=oci,
            contents=known.contents,
            model=_model_files(files.require_model()),
            measured=self._measured(version),
            purpose=version.tags.get(PURPOSE, ""),
            limits=version.tags.get(LIMITS, ""),
            told=files.document(SERVED_MODEL),
            openapi=files.document(SERVED_OPENAPI),
            example=self.registry.example(version).model_dump_json().encode(),
            golden=self.registry.golden_file(version),
            service_page=SERVICE_PAGE.read_bytes(),
            scan=known.scan,
            before=find_earlier(version, self.release),
            run=self.run,
            started=self.started,
            builder={"docker": docker("version", "--format={{.Server.Version}}"), **_versions()},
        )

    def _measured(self, version: RegisteredVersion) -> Measured:
        """What the evaluation of a version has measured.

        Raises:
            ReleaseError: Its record is of another form.
        """
        try:
            return EvaluationFile.model_validate(self.registry.evaluation(version)).evaluation
        except ValidationError as error:
            raise ReleaseError(
                f"the evaluation of {version.label} can't be understood ({first_line(error)}); "
                f"run {version.name}_evaluate again"
            ) from error

    def _facts(
        self,
        version: RegisteredVersion,
        files: ReleaseFiles,
        oci: OciImage,
        *,
        signer: Signer,
        fingerprint: str,
    ) -> ReleaseFacts:
        origin, number = Origin.of(oci), str(version.version)
        tag = immutable_tag(number, oci.digest)
        return ReleaseFacts(
            model=version.name,
            version=number,
            image=f"{version.name}:{tag}",
            image_digest=oci.digest,
            image_id=oci.image_id,
            platform=oci.config.platform,
            data_version=version.tags.get("data_version") or UNKNOWN,
            git_commit=version.tags.get("git_commit", ""),
            mlflow_run=version.run_id,
            model_digest=version.tags.get(f"sha256.{MANIFEST}", ""),
            lock_digest=origin.lock,
            training_lock_digest=version.tags.get("lock_sha256", ""),
            base_image=origin.base,
            base_image_id=origin.base_id,
            registered=version.created,
            released=datetime.now(UTC),
            key_fingerprint=fingerprint,
            development_key=signer.is_development,
            golden_requests=files.require_proof().requests,
            support_contact=self.release.support_contact,
            ledger=Ledger.of(self.release.home).verify().head.label,
        )


def _kept_one(
    files: ReleaseFiles, image_id: str, fingerprint: str, *, known: Admitted, scratch: Path
) -> BundleRecord | None:
    """The bundle that is there, if nothing would be new in another one, and it is as it was made.

    Args:
        files: The files of the release.
        image_id: The image that it must be of.
        fingerprint: The key that it must be signed with.
        known: What is known of the image.
        scratch: Where it is unpacked.
    """
    found = files.find_bundle()
    if found is None or (found.image_id, found.facts.key_fingerprint) != (image_id, fingerprint):
        return None
    archive = files.archive(found)
    is_kept = is_sound(archive, found.facts, scratch=scratch) and known.is_told_in(archive)
    return found if is_kept else None


def _write(directory: Path, parts: Parts, signer: Signer) -> None:
    """Writes the files of a bundle, and the signed list of them."""
    with told_plainly(directory):
        directory.mkdir()
        assemble(directory, parts)
        sign_directory(directory, signer)


def _pack(
    directory: Path, facts: ReleaseFacts, files: ReleaseFiles, *, proved: str
) -> BundleRecord:
    """Packs a bundle; the record of it comes last."""
    sums = file_sha256(directory / SUMS)
    record = BundleRecord(file=f"{facts.name}.tar", image_id=proved, sums=sums, facts=facts)
    epoch = int(facts.released.timestamp())
    pack(directory, files.archive(record), epoch=epoch, below=facts.name)
    files.write_bundle(record)
    return record


def _model_files(directory: Path) -> list[ModelFile]:
    digests = read_manifest(directory).files | {MANIFEST: sha256(read_file(directory / MANIFEST))}
    return [ModelFile(name, digest) for name, digest in sorted(digests.items())]


def _versions() -> dict[str, str]:
    """Versions of what builds a bundle."""
    return {name: installed(name) for name in ("bentoml", "cyclonedx-python-lib")}
