"""What the ledger records: promotions, releases, deliveries and rollbacks."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, TypeAdapter

from serving.runtime.spec import FrozenModel

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(min_length=1)]
Version = Annotated[int, Field(ge=1)]


def _in_utc(when: datetime) -> datetime:
    return when.astimezone(UTC)


class _Recorded(FrozenModel):
    """What every entry holds.

    Attributes:
        model: Name of the registered model.
        version: Its version that the entry is about.
        when: Time of the event, in UTC.
        who: The user and host, or the run, that did it.
    """

    model: Name
    version: Version
    when: Annotated[AwareDatetime, AfterValidator(_in_utc)]
    who: Name


class Promotion(_Recorded):
    """A version went into production.

    Attributes:
        from_version: The version that was there before, or nothing.
        data_version: The dataset that it was fitted on.
        git_commit: Commit of the code that trained it; empty if it is not known.
        mlflow_run: The run that logged it.
        reason: Why it was promoted.
    """

    event: Literal["promotion"] = "promotion"
    from_version: Version | None
    data_version: Name
    git_commit: str
    mlflow_run: str
    reason: str

    def is_among(self, earlier: "Sequence[Entry]") -> bool:
        """Whether this very promotion, told by its time, is recorded."""
        return any(_agree(one, self, "event", "model", "version", "when") for one in earlier)


class BundleFile(FrozenModel):
    """The bundle of a release.

    Attributes:
        name: Name of its file.
        manifest: sha256 of its signed manifest.
    """

    name: Name
    manifest: Sha256


class SigningKey(FrozenModel):
    """The key that a release is signed with.

    Attributes:
        fingerprint: sha256 of the public key.
        development: Whether it is a key for development, which nobody should trust.
    """

    fingerprint: Sha256
    development: bool


class Release(_Recorded):
    """A version became an image that was proved, and a bundle that was signed.

    Attributes:
        image_digest: Digest of the image's manifest, by which registries know it.
        image_id: Digest of the image's configuration, by which engines know it.
        bundle: The bundle.
        data_version: The dataset that the model was fitted on.
        git_commit: Commit of the code that trained it; empty if it is not known.
        mlflow_run: The run that logged it.
        model_digest: sha256 of the model's manifest, model.json.
        lock_digest: sha256 of the lock file that the image's libraries were installed from.
        base_image: Id of the image that the model was put on.
        key: What the release is signed with.
        golden_requests: How many golden requests the image answered as the evaluated model.
    """

    event: Literal["release"] = "release"
    image_digest: Digest
    image_id: Digest
    bundle: BundleFile
    data_version: Name
    git_commit: str
    mlflow_run: str
    model_digest: Sha256
    lock_digest: Sha256
    base_image: Digest
    key: SigningKey
    golden_requests: Annotated[int, Field(ge=0)]

    def is_among(self, earlier: "Sequence[Entry]") -> bool:
        """Whether the last release of the version has the same image, bundle and key."""
        last = next(_latest(earlier, self, "event", "model", "version"), None)
        return _agree(last, self, "image_digest", "bundle", "key")


class Delivery(_Recorded):
    """A customer was given an image.

    Attributes:
        customer: Name of the customer.
        image_digest: Digest of the image's manifest.
        channel: The customer's name for what is current, for instance ``stable``.
        destination: Where to: ``registry.example.org/acme/iris:v3-0123456789ab``, or a path.
    """

    event: Literal["delivery"] = "delivery"
    customer: Name
    image_digest: Digest
    channel: Name
    destination: Name

    def is_among(self, earlier: "Sequence[Entry]") -> bool:
        """Whether this is what the customer was given last, of this model and by this channel."""
        last = next(_latest(earlier, self, "event", "customer", "model", "channel"), None)
        return _agree(last, self, "version", "image_digest", "destination")


class Rollback(_Recorded):
    """Production went back to an earlier version, which is `version`.

    Attributes:
        from_version: The version that was given up; nothing if none was in production.
        image_digest: Digest of the manifest of the image that is in use again.
        reason: Why.
    """

    event: Literal["rollback"] = "rollback"
    from_version: Version | None
    image_digest: Digest
    reason: str

    def is_among(self, earlier: "Sequence[Entry]") -> bool:
        """Whether this very rollback, told by its time, is recorded."""
        return any(_agree(one, self, "event", "model", "version", "when") for one in earlier)


Entry = Annotated[Promotion | Release | Delivery | Rollback, Field(discriminator="event")]
ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)
"""Reads an entry of any event."""


def _latest(earlier: Sequence[Entry], like: _Recorded, *names: str) -> Iterator[Entry]:
    """Entries that agree with one in the fields of these names, newest first."""
    return (one for one in reversed(earlier) if _agree(one, like, *names))


def _agree(one: _Recorded | None, other: _Recorded, *names: str) -> bool:
    absent = object()
    return one is not None and all(
        getattr(one, name, absent) == getattr(other, name) for name in names
    )
