"""What a Bento was built of, and the time that it gives as its creation.

BentoML notes the moment of a build, and nothing else tells two builds of the same files apart. Here
the time at which the model's version was registered takes its place.
"""

import re
from collections.abc import Collection
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from serving.runtime.errors import MLAssetsError
from serving.runtime.release_notes import RELEASE

DESCRIPTION = "bento.yaml"
REQUIREMENTS = Path("env", "python", "requirements.txt")
_CREATION = re.compile(r"^creation_time: .*$", re.MULTILINE)


class BentoFileError(MLAssetsError):
    """A file of a Bento is not what BentoML is known to write."""


def set_creation_time(bento: Path, created: datetime) -> None:
    """Writes when a Bento was created.

    Args:
        bento: Its directory.
        created: The time, with a zone.

    Raises:
        BentoFileError: The Bento has no such time.
        OSError: It can't be written.
    """
    path = bento / DESCRIPTION
    text, found = _CREATION.subn(_creation(created), path.read_text(encoding="utf-8"))
    if found != 1:
        raise BentoFileError(
            f"{path} has {found} lines with a creation_time in place of one; this version of "
            "BentoML writes it in another way"
        )
    path.write_text(text, encoding="utf-8")


def is_built_of(
    context: Path, bento: Path, *, packages: Collection[str], created: datetime
) -> bool:
    """Whether a Bento was built of just these files, for just these packages, at this time.

    Args:
        context: Directory of what a Bento is to be built of.
        bento: Directory of the Bento, which need not be there.
        packages: The pins of all its packages.
        created: When it was to be created.
    """
    try:
        found = (bento / REQUIREMENTS).read_text(encoding="utf-8").split()
        description = (bento / DESCRIPTION).read_text(encoding="utf-8").splitlines()
        same_files = _contents(bento / "src") == _contents(context)
    except OSError:
        return False
    return {*found} == {*packages} and _creation(created) in description and same_files


def _creation(created: datetime) -> str:
    return f"creation_time: '{created.astimezone(UTC).isoformat()}'"


def _contents(root: Path) -> dict[Path, bytes]:
    """The files that are staged, without the caches that Python may put there."""
    rooms = (root / room for room in ("serving", "model"))
    paths = chain([root / RELEASE], *(room.rglob("*") for room in rooms))
    files = (path for path in paths if path.is_file() and path.parent.name != "__pycache__")
    return {path.relative_to(root): path.read_bytes() for path in files}
