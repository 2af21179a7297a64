"""What the bundle of the release before says, for the notes of changes since."""

import logging
from pathlib import Path

from ml_assets.resources.version_files import RegisteredVersion
from serving.release.bundle.archive import read_member
from serving.release.bundle.assembling import CARD, SBOM
from serving.release.bundle.change_notes import Earlier
from serving.release.bundle.facts import RELEASE
from serving.release.bundle.signed_files import BundleError
from serving.release.ledger.entries import Release, Rollback
from serving.release.ledger.ledger import Ledger
from serving.release.records import ReleaseFiles
from serving.release.settings import ReleaseSettings

_log = logging.getLogger(__name__)


def find_earlier(version: RegisteredVersion, release: ReleaseSettings) -> Earlier | str | None:
    """What was live before: the last release of another version, or rollback to one.

    Returns:
        What its bundle says; its name alone if that is gone or damaged; None if there was none.
    """
    for entry in reversed(Ledger.of(release.home).verify().entries):
        is_other = entry.model == version.name and entry.version != version.version
        if is_other and isinstance(entry, Release | Rollback):
            files = ReleaseFiles.of(release, entry.model, entry.version)
            record = files.find_bundle()
            label = f"{entry.model} v{entry.version} (image `{entry.image_digest}`)"
            return (_read(files.archive(record)) if record else None) or label
    return None


def _read(archive: Path) -> Earlier | None:
    """What a bundle says; None if it is damaged or of an earlier form, which stops no new one."""
    try:
        facts, card, sbom = (read_member(archive, name) for name in (RELEASE, CARD, SBOM))
        return Earlier.read(facts=facts, card=card, sbom=sbom)
    except (BundleError, ValueError, KeyError, TypeError) as error:
        _log.warning("%s can't be compared with: %r", archive, error)
        return None
