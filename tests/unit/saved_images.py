"""Small images as an engine saves them, which no engine has built."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from serving.release.bundle import oci
from serving.release.bundle.oci import OciImage, write_layout
from tests.unit.image_cases import BASE, PACKAGES, Content, metadata, tar


@dataclass(frozen=True)
class SavedImage:
    """An image as an engine saves it.

    Attributes:
        config: Its configuration, JSON.
        layers: Its layers, lowest first.
    """

    config: bytes
    layers: tuple[bytes, ...]

    @classmethod
    def of(cls, *layers: bytes, labels: Mapping[str, str] | None = None) -> "SavedImage":
        """An image of some layers."""
        digests = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": digests},
        }
        return cls(json.dumps(config).encode(), layers)

    @property
    def id(self) -> str:
        return f"sha256:{hashlib.sha256(self.config).hexdigest()}"

    def save(self, path: Path) -> None:
        """Writes it as `docker image save` does."""
        names = [f"{number}/layer.tar" for number, _ in enumerate(self.layers)]
        manifest = [{"Config": "config.json", "RepoTags": None, "Layers": names}]
        files = {"config.json": self.config, "manifest.json": json.dumps(manifest).encode()}
        path.write_bytes(tar(files | dict(zip(names, self.layers, strict=True))))


class SmallEngine:
    """Stands for the command line `docker`, as far as `write_layout` asks it."""

    def __init__(self, *images: SavedImage) -> None:
        self.images = {image.id: image for image in images}

    def __call__(self, *arguments: str) -> str:
        assert arguments[:2] == ("image", "save")
        self.images[arguments[-1]].save(Path(arguments[2].removeprefix("--output=")))
        return ""


def image(version: str) -> SavedImage:
    """A small image with a package of a version."""
    package: dict[str, Content] = {
        f"{PACKAGES}/alpha-{version}.dist-info/METADATA": metadata("alpha", version)
    }
    return SavedImage.of(tar(BASE), tar(package))


def layout(saved: SavedImage, place: Path) -> OciImage:
    """An image as an OCI layout."""
    place.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oci, "docker", SmallEngine(saved))
        return write_layout(saved.id, place, cache=place.parent / "layers")
