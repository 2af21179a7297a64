"""Small signed releases: what deliveries need, and fast."""

import io
import json
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from serving.release.bundle.archive import pack
from serving.release.bundle.assembling import IMAGE, PROVENANCE, SBOM
from serving.release.bundle.facts import RELEASE, ReleaseFacts, immutable_tag
from serving.release.bundle.oci import name_image, write_layout
from serving.release.bundle.provenance import provenance
from serving.release.bundle.signed_files import SUMS, file_sha256, sign_directory
from serving.release.pushing import push_bundle
from serving.release.records import BundleRecord, ReleaseFiles
from serving.release.settings import ReleaseSettings
from serving.release.workplace import workplace
from tests.docker.cosign_cases import make_key
from tests.docker.engine import engine, remove_names
from tests.docker.image_cases import FAMILY
from tests.unit.facts_cases import facts as facts_of

MODEL = "oven"


@dataclass(frozen=True)
class SmallRelease:
    """A version whose bundle is there.

    Attributes:
        settings: Those of the release.
        record: The record of the bundle.
        files: Where it lies.
    """

    settings: ReleaseSettings
    record: BundleRecord
    files: ReleaseFiles

    @property
    def facts(self) -> ReleaseFacts:
        """What the release is."""
        return self.record.facts

    @property
    def tag(self) -> str:
        """Its immutable tag."""
        return immutable_tag(self.facts.version, self.facts.image_digest)

    @property
    def archive(self) -> Path:
        """The file of the bundle."""
        return self.files.archive(self.record)

    def push(self) -> None:
        """Pushes it to our own registry, signed."""
        push_bundle(self.record, self.files, self.settings)


def small_settings(home: Path, *, registry: str) -> ReleaseSettings:
    """Settings of a release below a directory of its own, with a key."""
    make_key(home / "signing")
    return replace(
        ReleaseSettings.from_environment(),
        home=home,
        registry=registry,
        registry_address=registry,
        signing_home=home / "signing",
        signing_key="",
        is_development=True,
        customers_file=home / "customers.yaml",
        deliveries=home / "deliveries",
    )


def small_release(
    settings: ReleaseSettings, *, version: int = 1, content: str = ""
) -> SmallRelease:
    """Bundles an image of one small layer, as the asset `bundle` does with a big one."""
    files = ReleaseFiles.of(settings, MODEL, version)
    signer = settings.require_signer()
    image_id = small_image(content or f"v{version}", place=settings.home)
    with workplace(files) as place:
        (place / "layout").mkdir()
        image = write_layout(image_id, place / "layout", cache=settings.home / "layers")
        tag = immutable_tag(str(version), image.digest)
        facts = facts_of(
            version,
            model=MODEL,
            image=f"{MODEL}:{tag}",
            image_digest=image.digest,
            image_id=image.image_id,
            key_fingerprint=signer.public_key().fingerprint,
        )
        directory = place / "bundle"
        directory.mkdir()
        for name, described in _documents(facts).items():
            (directory / name).write_text(json.dumps(described))
        name_image(image.directory, image.digest, facts.image)
        pack(image.directory, directory / IMAGE, epoch=0)
        sign_directory(directory, signer)
        sums = file_sha256(directory / SUMS)
        record = BundleRecord(file=f"{facts.name}.tar", image_id=image_id, sums=sums, facts=facts)
        pack(directory, files.archive(record), epoch=0, below=facts.name)
    files.write_bundle(record)
    return SmallRelease(settings, record, files)


def two_releases(settings: ReleaseSettings) -> tuple[SmallRelease, SmallRelease]:
    """The first two versions of a model."""
    return small_release(settings, version=1), small_release(settings, version=2)


def small_image(content: str, *, place: Path) -> str:
    """Id of an image in the engine whose one layer holds one file, the same each time."""
    name = f"{FAMILY}/small:{content}"
    if found := engine("image", "ls", "--quiet", "--no-trunc", name):
        return found
    archive = place / "small.tar"
    with tarfile.open(archive, "w") as tar:
        entry = tarfile.TarInfo("content")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content.encode()))
    return engine("image", "import", str(archive), name)


def remove_small_images() -> None:
    """Removes all images that `small_image` has made."""
    remove_names(f"{FAMILY}/small")


def _documents(facts: ReleaseFacts) -> dict[str, dict[str, Any]]:
    statement = provenance(facts, run="run1", started=facts.released, builder={})
    digest = facts.image_digest.removeprefix("sha256:")
    image = {"type": "container", "name": MODEL, "hashes": [{"alg": "SHA-256", "content": digest}]}
    sbom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": image}}
    return {RELEASE: facts.model_dump(mode="json"), SBOM: sbom, PROVENANCE: statement}
