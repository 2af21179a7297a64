"""Pushes an image to a registry, and says by which digest anyone can fetch just that one."""

import re
from contextlib import ExitStack

from serving.release.engine import EngineError, ImageDetails, docker, find_image, inspect_image
from serving.release.image import ServiceImage


def push(image: ServiceImage, *, reference: str) -> str:
    """Pushes an image; where that fails, the engine's names are as they were.

    Args:
        image: The image.
        reference: Where to, such as ``localhost:5050/iris:v3``.

    Returns:
        The digest of its manifest in the registry, ``sha256:...``.

    Raises:
        EngineError: The registry or the engine is out of reach or refuses, or the engine does not
            have the image.
    """
    before = find_image(reference)
    with ExitStack() as undo:
        undo.callback(_restore, reference, before)
        docker("image", "tag", image.id, reference)
        digest = _digest(docker("image", "push", reference), reference)
        undo.pop_all()
    return digest


def _digest(printed: str, reference: str) -> str:
    """The digest that a push has printed and that the engine has noted."""
    found = re.search(r"digest: (sha256:[0-9a-f]{64})", printed)
    noted = {one.partition("@")[2] for one in inspect_image(reference).repo_digests}
    if found is None or found[1] not in noted:
        raise EngineError(
            f"the engine does not say by which digest it has pushed {reference}; push it again. "
            f"Its last lines:\n{printed[-500:]}"
        )
    return found[1]


def _restore(reference: str, before: ImageDetails | None) -> None:
    """Gives a name back to the image that had it, or removes it if there was none."""
    if before is not None:
        docker("image", "tag", before.id, reference)
    elif find_image(reference) is not None:
        docker("image", "rm", "--no-prune", reference)
