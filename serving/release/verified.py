"""The bundle of a release, verified before it is handed on: it is what was released last."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from serving.release.bundle.archive import unpacked
from serving.release.bundle.checking import check_bundle
from serving.release.bundle.signed_files import KEY, SUMS, BundleError, file_sha256
from serving.release.ledger.entries import Release
from serving.release.ledger.ledger import Ledger
from serving.release.records import BundleRecord, ReleaseError, ReleaseFiles
from serving.release.settings import ReleaseSettings
from serving.release.signing import PublicKey
from serving.release.workplace import workplace

_log = logging.getLogger(__name__)


class VerifiedBundle(NamedTuple):
    """A bundle that is what the ledger says of it.

    Attributes:
        directory: Where it is unpacked.
        key: The key that it is signed with.
    """

    directory: Path
    key: PublicKey


@contextmanager
def verified(
    record: BundleRecord, files: ReleaseFiles, release: ReleaseSettings
) -> Iterator[VerifiedBundle]:
    """The bundle of a version, unpacked until the block ends; the key is the one of the ledger.

    Raises:
        ReleaseError: It is not the last one that was released of the version.
        BundleError: It is damaged or forged.
        LedgerError: The ledger was changed by another way.
    """
    fingerprint = _released(record, release).key.fingerprint
    with workplace(files) as place, unpacked(files.archive(record), scratch=place) as directory:
        _log.info("verifying %s", record.file)
        check_bundle(directory, record.facts, fingerprint=fingerprint)
        if file_sha256(directory / SUMS) != record.sums:
            raise BundleError(f"{SUMS} of {record.file} is not the one that was signed last")
        yield VerifiedBundle(directory, PublicKey((directory / KEY).read_bytes()))


def _released(record: BundleRecord, release: ReleaseSettings) -> Release:
    """What the ledger says of the release of a bundle."""
    facts = record.facts
    of = (facts.model, facts.version)
    for entry in reversed(Ledger.of(release.home).verify().entries):
        if isinstance(entry, Release) and (entry.model, str(entry.version)) == of:
            if (entry.image_digest, entry.bundle.manifest) == (facts.image_digest, record.sums):
                return entry
            break
    raise ReleaseError(
        f"{record.file} is not what the ledger says was released last of {facts.label}; release it "
        f"again: make release MODEL={facts.model} VERSION={facts.version}"
    )
