"""What models of documents that others write have in common."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict


class PartOfDocument(BaseModel):
    """A part of a document of others; fields that are not used here may come and go."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def _no_null(found: object) -> object:
    return {} if found is None else found


Labels = Annotated[Mapping[str, str], BeforeValidator(_no_null)]
"""Labels of an image; Docker writes null for none."""
