"""The configuration of an image, which its layers and labels stand in."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import AliasPath, BaseModel, BeforeValidator, ConfigDict, Field


def _no_null(found: object) -> object:
    return {} if found is None else found


class ImageConfig(BaseModel):
    """The configuration of an image, as far as releases read it.

    Attributes:
        os: The operating system that it runs on, such as ``linux``.
        architecture: The processors that it runs on, such as ``amd64``.
        labels: Its labels.
        layers: Digests of its layers as they are unpacked, lowest first.
    """

    model_config = ConfigDict(frozen=True)

    os: str
    architecture: str
    labels: Annotated[Mapping[str, str], BeforeValidator(_no_null)] = Field(
        validation_alias=AliasPath("config", "Labels"), default={}
    )
    layers: Sequence[str] = Field(validation_alias=AliasPath("rootfs", "diff_ids"))

    @property
    def platform(self) -> str:
        """What it runs on, such as ``linux/amd64``."""
        return f"{self.os}/{self.architecture}"
