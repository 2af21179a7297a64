"""What an image says of where it came from."""

import re
from dataclasses import dataclass

from serving.release.bundle.oci import OciImage
from serving.release.image import BASE, BASE_NAME, LOCK
from serving.release.records import ReleaseError

ADVICE = {
    LOCK: "build its base with docker/build, which notes the lock file",
    BASE: "materialise the asset service_image again",
    BASE_NAME: "materialise the asset service_image again",
}


@dataclass(frozen=True)
class Origin:
    """What an image was made of, by its own labels.

    Attributes:
        base: Name of the image that it was built on.
        base_id: That image's id.
        lock: sha256 of the lock file that the packages of that image were installed from.
    """

    base: str
    base_id: str
    lock: str

    @classmethod
    def of(cls, image: OciImage) -> "Origin":
        """What an image says.

        Raises:
            ReleaseError: It does not say it.
        """
        base, base_id, lock = (_label(image, key) for key in (BASE_NAME, BASE, LOCK))
        if not re.fullmatch("sha256:[0-9a-f]{64}", lock):
            raise ReleaseError(f"the label {LOCK} of its base {base} is {lock!r}; {ADVICE[LOCK]}")
        return cls(base, base_id, lock.removeprefix("sha256:"))


def _label(image: OciImage, key: str) -> str:
    if found := image.config.labels.get(key):
        return found
    raise ReleaseError(f"the image {image.image_id} has no label {key}; {ADVICE[key]}")
