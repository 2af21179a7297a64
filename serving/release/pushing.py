"""Pushes the image of a bundle to our own registry, with its signature and attestations."""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory

from serving.release.bundle.archive import unpack, unpacked
from serving.release.bundle.assembling import IMAGE, PROVENANCE, SBOM
from serving.release.bundle.checking import check_bundle
from serving.release.bundle.facts import ReleaseFacts, immutable_tag
from serving.release.bundle.layers import ArchiveError
from serving.release.bundle.oci import read_layout
from serving.release.bundle.provenance import PREDICATE_TYPE, predicate_of
from serving.release.cosign import UnsignedError
from serving.release.records import BundleRecord, ReleaseError, ReleaseFiles
from serving.release.registries import Repository
from serving.release.settings import ReleaseSettings
from serving.release.signing import Signer
from serving.release.workplace import workplace

CYCLONEDX = "cyclonedx"
"""cosign's name of a type of attestations; provenance goes by its URI, as cosign would else rename
a field."""

_log = logging.getLogger(__name__)


def push_bundle(record: BundleRecord, files: ReleaseFiles, release: ReleaseSettings) -> None:
    """Pushes the image of a bundle; what is in the registry already is not done again.

    It gets an immutable tag and the version's own, ``v3``, which moves if the version is released
    anew.

    Raises:
        ReleaseError: The bundle is signed with another key than the one that is configured.
        BundleError: The bundle is not the one that was signed, or holds files of another one.
        TakenError: Another image has the immutable tag.
        CosignError: The registry is out of reach or refuses, or the key can't be used.
    """
    facts, signer = record.facts, release.require_signer()
    _check_key(facts, signer)
    repository = release.repository(facts.model)
    with workplace(files) as place, unpacked(files.archive(record), scratch=place) as bundle:
        check_bundle(bundle, facts, fingerprint=facts.key_fingerprint)
        layout = unpack_image(bundle, place / "layout", facts)
        tag = immutable_tag(facts.version, facts.image_digest)
        if not repository.has(tag, facts.image_digest):
            _push(repository, layout, tag)
        _sign(repository, facts, signer)
        predicates = {
            CYCLONEDX: (bundle / SBOM).read_bytes(),
            PREDICATE_TYPE: predicate_of((bundle / PROVENANCE).read_bytes()),
        }
        _attest(repository, facts.image_digest, signer, predicates)
        # Last, so that nobody finds the image under this name before it is signed.
        if repository.digest_of(f"v{facts.version}") != facts.image_digest:
            _push(repository, layout, f"v{facts.version}")


def unpack_image(bundle: Path, directory: Path, facts: ReleaseFacts) -> Path:
    """Unpacks the image of a bundle into a directory, as an OCI layout.

    Raises:
        ArchiveError: It is not the image that the bundle is about.
    """
    unpack(bundle / IMAGE, directory)
    found = read_layout(directory)
    if (found.digest, found.image_id) != (facts.image_digest, facts.image_id):
        raise ArchiveError(
            f"{IMAGE} of {bundle.name} is the image {found.digest}, and not {facts.image_digest}"
        )
    return directory


def _check_key(facts: ReleaseFacts, signer: Signer) -> None:
    """Checks that bundle and image are signed with one key, as customers have just that of one."""
    found = signer.public_key().fingerprint
    if found != facts.key_fingerprint:
        raise ReleaseError(
            f"the bundle of {facts.label} is signed with the key {facts.key_fingerprint}, and the "
            f"key of releases is {found} now; release the version again"
        )


def _push(repository: Repository, layout: Path, tag: str) -> None:
    _log.info("pushing %s", repository.tagged(tag))
    repository.push(layout, tag)


def _sign(repository: Repository, facts: ReleaseFacts, signer: Signer) -> None:
    digest, notes = facts.image_digest, facts.annotations
    try:
        signer.public_key().verify_image(repository, digest, annotations=notes)
    except UnsignedError:
        _log.info("signing %s", repository.pinned(digest))
        signer.sign_image(repository, digest, annotations=notes)


def _attest(
    repository: Repository, digest: str, signer: Signer, predicates: dict[str, bytes]
) -> None:
    key = signer.public_key()
    with TemporaryDirectory() as scratch:
        file = Path(scratch, "predicate.json")
        for kind, predicate in predicates.items():
            if not key.attests(repository, digest, kind=kind, predicate=predicate):
                file.write_bytes(predicate)
                signer.attest(repository, digest, kind=kind, predicate=file)
