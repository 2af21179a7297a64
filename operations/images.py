"""The platform's images, and which of them can run a few lines of Python for us."""

import re
from collections.abc import Collection, Sequence

from operations.command import docker
from operations.compose_model import ComposeModel
from operations.errors import OperationsError
from operations.project import Project

SMALLEST_FIRST = ("dagster", "mlflow", "release", "train")


def present_images() -> frozenset[str]:
    """Names of all images of the engine, with tags and with digests.

    Raises:
        CommandError: The engine does not answer.
    """
    names = "{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}"
    return frozenset(docker("image", "ls", "--digests", "--format", names).split())


def own_images(project: Project) -> list[str]:
    """Our images that have Python, the smallest first."""
    prefix = project.setting("IMAGES", "ml-assets")
    version = project.setting("ML_ASSETS_VERSION", project.version)
    return [f"{prefix}-{name}:{version}" for name in SMALLEST_FIRST]


def helper_image(project: Project, present: Collection[str] | None = None) -> str:
    """One of our images that is here.

    Raises:
        OperationsError: None is.
    """
    known = present_images() if present is None else present
    for image in own_images(project):
        if image in known:
            return image
    raise OperationsError(
        f"no image of the platform is here, such as {own_images(project)[0]}; make images builds "
        "them, docker compose pull fetches them"
    )


def missing_images(model: ComposeModel, present: Collection[str]) -> Sequence[str]:
    """Images of the model that are not here."""
    wanted = {one.image for one in model.services if one.replicas}
    return sorted(name for name in wanted if _without_tag_of_digest(name) not in present)


def _without_tag_of_digest(image: str) -> str:
    """The name by which the engine lists an image: with a digest it has no tag."""
    return re.sub(r":[\w.-]+@", "@", image)
