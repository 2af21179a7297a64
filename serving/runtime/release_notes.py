"""The notes of a release: what a Bento tells of its model beside the model's manifest."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from serving.runtime.errors import ModelFileError
from serving.runtime.files import read_file
from serving.runtime.spec import FrozenModel

RELEASE = "release.json"
"""The file beside a released model's directory that holds its :class:`ReleaseNotes`."""


Figure = Annotated[float, Field(allow_inf_nan=False)]


class ReleaseNotes(FrozenModel):
    """What is told of a model beside what stands in its manifest.

    Attributes:
        metrics: Figures on the test rows by name, None for one that is not finite; "skill_vs_..."
            is 1 for a perfect model and 0 for one that equals the named baseline.
        support_contact: Whom to ask for help: a URL, a mail address or a name.
        digest: sha256 of the model's manifest; empty if nobody noted it.
    """

    metrics: dict[str, Figure | None] = Field(default={})
    support_contact: str = ""
    digest: str = ""


def read_release_notes(directory: Path) -> ReleaseNotes:
    """The notes beside a model's directory; empty ones if there are none.

    Raises:
        ModelFileError: The file is something else.
    """
    path = directory.parent / RELEASE
    try:
        return (
            ReleaseNotes.model_validate_json(read_file(path)) if path.exists() else ReleaseNotes()
        )
    except ValueError as error:
        raise ModelFileError(f"{path} is damaged; fetch the Bento again") from error
