"""Publishes an image in our own registry: pushed, signed, and with its attestations beside it."""

import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from serving.release.cosign import UnsignedError
from serving.release.registries import Repository
from serving.release.signing import Signer

_log = logging.getLogger(__name__)


def publish(
    layout: Path,
    digest: str,
    repository: Repository,
    *,
    tags: tuple[str, ...],
    signer: Signer,
    annotations: Mapping[str, str],
    attestations: Mapping[str, bytes],
) -> None:
    """Publishes the image of an OCI layout; what is there already is not done again.

    Args:
        layout: The layout.
        digest: Digest of the image's manifest.
        repository: Where to.
        tags: Names that the image gets.
        signer: The key.
        annotations: What the signature says besides the digest.
        attestations: The predicate of each attestation, JSON, by cosign's name of its type.

    Raises:
        CosignError: The registry is out of reach or refuses, or the key can't be used.
    """
    for tag in tags:
        _log.info("pushing %s", repository.tagged(tag))
        repository.push(layout, tag)
    try:
        signer.public_key().verify_image(repository, digest, annotations=annotations)
    except UnsignedError:
        _log.info("signing %s", repository.pinned(digest))
        signer.sign_image(repository, digest, annotations=annotations)
    with TemporaryDirectory() as scratch:
        for kind, predicate in attestations.items():
            file = Path(scratch, f"{kind}.json")
            file.write_bytes(predicate)
            signer.attest(repository, digest, kind=kind, predicate=file)
