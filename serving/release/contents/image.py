"""Reads what an image holds from its layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serving.release.contents import debian, python_packages
from serving.release.contents.filesystem import FileSystem
from serving.release.contents.packages import Package


@dataclass(frozen=True)
class ImageContents:
    """What an image holds.

    Attributes:
        packages: Its packages in order; one that lies in several places is there several times.
    """

    packages: tuple[Package, ...]


def read_image(layers: Sequence[Path]) -> ImageContents:
    """What an image holds.

    Args:
        layers: Archives of its layers, tar or tar.gz, the lowest first.

    Raises:
        ContentsError: A layer is damaged, or what it holds can't be understood.
    """
    system = FileSystem.of(layers, wanted=_is_wanted)
    found = [
        *python_packages.distributions(system),
        *python_packages.interpreters(system),
        *debian.packages(system),
    ]
    ordered = sorted(found, key=lambda one: (one.key, one.place))
    return ImageContents(tuple(ordered))


def _is_wanted(path: str) -> bool:
    return python_packages.is_wanted(path) or debian.is_wanted(path)
