"""What is known of a package that an image holds."""

import re
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Where a package comes from; the value is the type of its package URL."""

    PYTHON = "pypi"
    DEBIAN = "deb"
    INTERPRETER = "generic"


@dataclass(frozen=True, order=True)
class LicenceText:
    """A text that a package brings about its licence.

    Attributes:
        path: Where it lies in the image.
        text: The text.
    """

    path: str
    text: str


@dataclass(frozen=True)
class Package:
    """A package that an image holds.

    Attributes:
        kind: Where it comes from.
        name: Its name, as its author writes it.
        version: Its version.
        place: The file of the image that says so.
        licence: An SPDX expression where it can be told, else a name; empty if nothing is said.
        texts: The texts about its licence.
        architecture: What it was built for; Debian's packages only.
        release: The release of the distribution it belongs to, such as ``12``; the same.
        source: Name of the package that it was built from; the same.
        source_version: Version of that package; the same.
    """

    kind: Kind
    name: str
    version: str
    place: str
    licence: str = ""
    texts: tuple[LicenceText, ...] = ()
    architecture: str = ""
    release: str = ""
    source: str = ""
    source_version: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What one package is told from another by, wherever it lies."""
        return self.kind, canonical(self.name), self.version, self.architecture


def canonical(name: str) -> str:
    """The name of a Python package that is the same for all its spellings (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
