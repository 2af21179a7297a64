"""Checks a bundle as a whole: that it is what was signed, and that its files are of one release."""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from serving.release.bundle.archive import unpacked
from serving.release.bundle.assembling import PROVENANCE, SBOM
from serving.release.bundle.facts import RELEASE, ReleaseFacts
from serving.release.bundle.signed_files import BundleError, check_directory

_log = logging.getLogger(__name__)


def check_bundle(directory: Path, facts: ReleaseFacts, *, fingerprint: str) -> None:
    """Checks the files of a bundle; its image is checked where it is unpacked or loaded.

    Args:
        directory: The unpacked bundle.
        facts: The release that it must be of.
        fingerprint: That of the public key that is trusted.

    Raises:
        BundleError: Its files are not the ones that were signed with the key, or are signed and of
            another release; the message names the first one that is.
    """
    check_directory(directory, fingerprint=fingerprint)
    if _read(directory, RELEASE, ReleaseFacts.model_validate) != facts:
        raise BundleError(f"{RELEASE} of {directory.name} is that of another release")
    for name, image_of in {SBOM: _of_sbom, PROVENANCE: _of_provenance}.items():
        if (found := _read(directory, name, image_of)) != facts.image_digest:
            raise BundleError(
                f"{name} of {directory.name} is about the image {found}, and not "
                f"{facts.image_digest}"
            )


def is_sound(archive: Path, facts: ReleaseFacts, *, scratch: Path) -> bool:
    """Whether the archive of a bundle is still the one that was made of a release."""
    try:
        with unpacked(archive, scratch=scratch) as bundle:
            check_bundle(bundle, facts, fingerprint=facts.key_fingerprint)
    except BundleError as error:
        _log.warning("%s is of no use: %s", archive, error)
        return False
    _log.info("%s is there already", archive)
    return True


def _of_sbom(sbom: Mapping[str, Any]) -> str:
    (digest,) = sbom["metadata"]["component"]["hashes"]
    return f"sha256:{digest['content']}"


def _of_provenance(statement: Mapping[str, Any]) -> str:
    (subject,) = statement["subject"]
    return f"sha256:{subject['digest']['sha256']}"


def _read(directory: Path, name: str, part: Callable[[Any], object]) -> object:
    try:
        return part(json.loads((directory / name).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{name} of {directory.name} can't be read: {error!r}") from error
