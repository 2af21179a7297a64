"""Hands a release over to a customer: into their registry, or as a file."""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ml_assets.resources.files import UNFINISHED, atomic_write, told_plainly
from serving.release.bundle.archive import read_member
from serving.release.bundle.facts import RELEASE, ReleaseFacts
from serving.release.bundle.signed_files import BundleError, file_sha256
from serving.release.cosign import UnsignedError
from serving.release.delivery.customers import Customer
from serving.release.registries import Repository
from serving.release.signing import PublicKey
from serving.runtime.errors import MLAssetsError

_log = logging.getLogger(__name__)


class DeliveryError(MLAssetsError):
    """A release can't be delivered to a customer; the message says why."""


@dataclass(frozen=True)
class Handover:
    """What is handed over.

    Attributes:
        facts: What the release is.
        bundle: File of the bundle.
        source: Our own repository, which has the image and its signature.
        key: The key that the image is signed with.
        deliveries: Directory below which customers' directories are.
    """

    facts: ReleaseFacts
    bundle: Path
    source: Repository
    key: PublicKey
    deliveries: Path

    def to(self, customer: Customer) -> str:
        """Delivers to a customer; what they have already stays as it is.

        Returns:
            Where they find it.

        Raises:
            TakenError: Their registry has another image of that name.
            DeliveryError: Their directory has, or their registry would lower the security of ours.
            CosignError: A registry is out of reach or refuses, or our image is not signed.
            StateError: No space, or no permission.
        """
        _log.info("delivering %s to %s", self.facts.label, customer.name)
        return self._push(customer) if customer.registry else self._write(customer)

    def _push(self, customer: Customer) -> str:
        facts, tag = self.facts, customer.tag_of(self.facts)
        target = Repository.below(customer.registry, facts.model)
        digest = facts.image_digest
        if target.is_plain and not (self.source.is_plain or self.source.is_near):
            # cosign allows it for both registries of a copy, or for none.
            raise DeliveryError(
                f"{target.name} is asked without TLS, and then {self.source.name} would be too; "
                "give the customer's registry a certificate, or name a directory"
            )
        self._verify_in(self.source)
        if not (target.has(tag, digest) and self._is_signed_in(target)):
            self.source.copy(digest, target, tag)
            self._verify_in(target)
        if target.digest_of(customer.channel) != digest:
            # From there, so that signatures which the customer has added stay.
            target.copy(digest, target, customer.channel)
        return target.tagged(tag)

    def _is_signed_in(self, repository: Repository) -> bool:
        try:
            self._verify_in(repository)
        except UnsignedError:
            return False
        return True

    def _verify_in(self, repository: Repository) -> None:
        """Checks that a repository has the image, signed."""
        digest, notes = self.facts.image_digest, self.facts.annotations
        self.key.verify_image(repository, digest, annotations=notes)

    def _write(self, customer: Customer) -> str:
        place = self.deliveries / customer.directory / self.facts.model
        target = place / self.bundle.name
        with told_plainly(place):
            place.mkdir(parents=True, exist_ok=True)
            _clear(place)
        if target.exists():
            self._check_same_image(target)
        if not target.exists() or file_sha256(target) != file_sha256(self.bundle):
            with _readable(target) as file, self.bundle.open("rb") as bundle:
                shutil.copyfileobj(bundle, file)
        self._lead(place / customer.channel)
        return str(target.relative_to(self.deliveries))

    def _lead(self, channel: Path) -> None:
        """Lets the file of a channel name the bundle."""
        named = f"{self.bundle.name}\n".encode()
        if not channel.is_file() or channel.read_bytes() != named:
            with _readable(channel) as file:
                file.write(named)

    def _check_same_image(self, target: Path) -> None:
        """Checks that a bundle of the same name is one of the same image."""
        try:
            found = ReleaseFacts.model_validate_json(read_member(target, RELEASE)).image_digest
        except (BundleError, ValueError):
            return  # what is damaged is written again
        if found != self.facts.image_digest:
            raise DeliveryError(
                f"{target} is the bundle of another image, {found}; move it elsewhere"
            )


@contextmanager
def _readable(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears whole, for everybody to read."""
    with atomic_write(path) as file:
        yield file
        os.fchmod(file.fileno(), 0o644)


def _clear(place: Path) -> None:
    """Removes what killed runs have left; runs that deliver one model wait for each other."""
    for left in place.glob(f".*{UNFINISHED}"):
        left.unlink(missing_ok=True)
