"""The configuration of an image, which its layers and labels stand in."""

from collections.abc import Sequence

from pydantic import AliasPath, Field

from serving.release.documents import Labels, PartOfDocument


class ImageConfig(PartOfDocument):
    """The configuration of an image, as far as releases read it.

    Attributes:
        os: The operating system that it runs on, such as ``linux``.
        architecture: The processors that it runs on, such as ``amd64``.
        labels: Its labels.
        layers: Digests of its layers as they are unpacked, lowest first.
    """

    os: str
    architecture: str
    labels: Labels = Field(validation_alias=AliasPath("config", "Labels"), default={})
    layers: Sequence[str] = Field(validation_alias=AliasPath("rootfs", "diff_ids"))

    @property
    def platform(self) -> str:
        """What it runs on, such as ``linux/amd64``."""
        return f"{self.os}/{self.architecture}"
