"""Sizes of images on top of what they are built on, beside the budgets of `docker/build`."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.own_platform import ROOT
from serving.release.engine import find_image, image_size

IMAGES = ("train", "release", "dagster", "mlflow", "serve", "serve-sklearn")
MB = 1_000_000


@dataclass(frozen=True)
class ImageSize:
    """An image of the platform.

    Attributes:
        name: Its name with a tag.
        bytes_on_top: Its size without its base image's.
        budget: What it may have, in bytes, if there is a limit.
    """

    name: str
    bytes_on_top: int
    budget: int | None = None


def platform_images() -> Iterator[ImageSize]:
    """All images of the platform that the engine has, beside their budgets."""
    limits, tag = budgets(), version()
    base = image_size(f"ml-assets-base:{tag}")
    for image in IMAGES:
        name = f"ml-assets-{image}:{tag}"
        if find_image(name) is not None:
            yield ImageSize(name, image_size(name) - base, limits.get(image))


def released_image(name: str) -> ImageSize:
    """A released image, which has the budget of the runtime that it is built on."""
    base = image_size(f"ml-assets-base:{version()}")
    return ImageSize(name, image_size(name) - base, budgets()["serve"])


def runtime_image() -> str:
    """Name of the runtime base of services."""
    return f"ml-assets-serve:{version()}"


def budgets() -> Mapping[str, int]:
    """The budgets in `docker/build`, in bytes by image."""
    script = (ROOT / "docker" / "build").read_text(encoding="utf-8")
    (line,) = re.findall(r'^budgets="(.*)"$', script, re.MULTILINE)
    return {image: int(megabytes) * MB for image, megabytes in re.findall(r"(\S+)=(\d+)", line)}


def version() -> str:
    """The tag of the platform's images: ``ML_ASSETS_VERSION``, or the project's version."""
    if tag := os.environ.get("ML_ASSETS_VERSION"):
        return tag
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])
