"""What a release is, in one small file that people, scripts and later releases read."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from serving.release.ledger.entries import Digest, Name, Sha256
from serving.runtime.spec import FrozenModel

RELEASE = "release.json"
UNKNOWN = "unknown"
"""Stands for what nobody noted, where something must stand."""
SHORT = 12
"""Digits of a digest that stand in names."""


class ReleaseFacts(FrozenModel):
    """The content of ``release.json`` in a bundle.

    Attributes:
        model: Name of the model.
        version: Its version in the registry.
        image: Name of the image as the archive loads it, with an immutable tag.
        image_digest: Digest of the image's manifest, by which registries call it.
        image_id: Digest of its configuration, by which Docker calls it.
        platform: Operating system and architecture, such as ``linux/amd64``.
        data_version: Content hash of the data that the model was fitted on; or `UNKNOWN`.
        git_commit: Commit of the code that fitted it.
        mlflow_run: The MLflow run that logged it.
        model_digest: sha256 of the model's ``model.json``, which names those of its other files.
        lock_digest: sha256 of the lock file of the packages in the image.
        training_lock_digest: sha256 of that of the packages that it was fitted with.
        base_image: Name of the image that it was built on.
        base_image_id: That image's id.
        registered: When the version was registered.
        released: When the bundle was made.
        key_fingerprint: sha256 of the public key, as DER, that the bundle is signed with.
        development_key: Whether that key is one for trying things out.
        golden_requests: Requests that the image was proved with.
        support_contact: Whom to ask for help.
        ledger: Number and hash of the last line of the supplier's ledger, such as ``12:ab01...``:
            who keeps it can ask later whether the ledger still says what it said then.
    """

    model: str
    version: Annotated[str, Field(pattern=r"^[1-9]\d*$")]
    image: str
    image_digest: Digest
    image_id: Digest
    platform: str
    data_version: Name
    git_commit: str
    mlflow_run: str
    model_digest: Sha256
    lock_digest: Sha256
    training_lock_digest: str
    base_image: str
    base_image_id: Digest
    registered: datetime
    released: datetime
    key_fingerprint: Sha256
    development_key: bool
    golden_requests: int
    support_contact: str
    ledger: str = ""

    @property
    def label(self) -> str:
        """How people call it: ``iris v3``."""
        return f"{self.model} v{self.version}"

    @property
    def name(self) -> str:
        """Name of the bundle: ``iris-v3-0123456789ab``."""
        return f"{self.model}-{immutable_tag(self.version, self.image_digest)}"

    @property
    def annotations(self) -> dict[str, str]:
        """What the signature of the image says besides its digest."""
        return {"model": self.model, "version": self.version}


def immutable_tag(version: str, digest: str) -> str:
    """A tag that is never given to another image: ``v3-0123456789ab``."""
    return f"v{version}-{short(digest)}"


def short(digest: str) -> str:
    """The first digits of a digest."""
    return digest.removeprefix("sha256:")[:SHORT]
