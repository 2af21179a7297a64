"""An image as an OCI layout, the same bytes each time: what is signed, pushed and handed over.

The digest of its manifest is the one digest by which everyone calls the image. It follows from the
image and from the zlib that compresses its layers here, and from nothing that an engine does.
``docker load`` reads the archive of the layout too, by the ``manifest.json`` in it.
"""

import hashlib
import json
import logging
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ml_assets.resources.files import told_plainly
from serving.release.bundle.configuration import ImageConfig
from serving.release.bundle.layers import (
    ArchiveError,
    SavedLayer,
    compress,
    digest_of,
    member,
)
from serving.release.engine import docker

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
# What `cosign load` tells an image of a layout from its signatures by.
COSIGN_IMAGE = {"kind": "dev.cosignproject.cosign/image"}
BLOBS, FOR_DOCKER = "blobs/sha256", "manifest.json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Blob:
    """A file of a layout that is called by its content.

    Attributes:
        digest: ``sha256:...``.
        size: In bytes.
    """

    digest: str
    size: int

    @property
    def path(self) -> str:
        """Where it lies in a layout."""
        return f"{BLOBS}/{self.digest.removeprefix('sha256:')}"

    def described(self, kind: str) -> dict[str, Any]:
        """The descriptor that other files of a layout name it with."""
        return {"mediaType": kind, "digest": self.digest, "size": self.size}


@dataclass(frozen=True)
class OciImage:
    """An image in an OCI layout.

    Attributes:
        directory: The layout.
        digest: Digest of the image's manifest.
        image_id: Digest of its configuration, the engine's id of it.
        layers: Files of its compressed layers, lowest first.
        config: What its configuration says.
    """

    directory: Path
    digest: str
    image_id: str
    layers: Sequence[Path]
    config: ImageConfig

    @property
    def config_file(self) -> Path:
        """The file of its configuration."""
        return self.directory / Blob(self.image_id, 0).path


def write_layout(image_id: str, directory: Path, *, cache: Path) -> OciImage:
    """Writes an image of the engine as an OCI layout.

    Args:
        image_id: The engine's id of the image, ``sha256:...``.
        directory: A directory that comes to be, or is empty.
        cache: Directory of layers that were compressed before; it comes to be.

    Raises:
        GoneError: The engine does not have the image.
        EngineError: It is out of reach, or its disk is full.
        ArchiveError: What the engine saves is not the image that was asked for.
        StateError: No space, or no permission.
    """
    _log.info("saving image %s", image_id)
    with told_plainly(directory), TemporaryDirectory(dir=directory.parent) as scratch:
        (directory / BLOBS).mkdir(parents=True)
        saved = Path(scratch, "saved.tar")
        docker("image", "save", f"--output={saved}", image_id)
        config, names = _saved_parts(saved, image_id)
        layers = _named(names, ImageConfig.model_validate_json(config).layers)
        blobs = [_place(layer, directory) for layer in compress(saved, layers, cache=cache)]
        return _finish(directory, config, blobs)


def read_layout(directory: Path) -> OciImage:
    """The image in a layout that `write_layout` has written and `name_image` has named.

    Raises:
        ArchiveError: It is not such a layout.
    """
    try:
        (listed,) = json.loads((directory / "index.json").read_bytes())["manifests"]
        manifest = json.loads(_content(directory, listed["digest"]))
        _check_for_docker(directory, manifest)
        image_id = manifest["config"]["digest"]
        paths = [directory / Blob(one["digest"], 0).path for one in manifest["layers"]]
        config = ImageConfig.model_validate_json(_content(directory, image_id))
        return OciImage(directory, listed["digest"], image_id, paths, config)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArchiveError(f"{directory} is no OCI layout of one image: {error!r}") from error


def name_image(directory: Path, digest: str, reference: str) -> None:
    """Writes under which name the image of a layout is loaded; its digest does not change.

    Args:
        directory: The layout.
        digest: The manifest's digest.
        reference: A name with a tag, such as ``iris:v3-0123456789ab``.
    """
    size = (directory / Blob(digest, 0).path).stat().st_size
    name, _, tag = reference.rpartition(":")
    names = {"io.containerd.image.name": f"docker.io/library/{name}:{tag}"}
    notes = COSIGN_IMAGE | names | {"org.opencontainers.image.ref.name": tag}
    listed = Blob(digest, size).described(MANIFEST_TYPE) | {"annotations": notes}
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [listed]}
    for_docker = _for_docker(json.loads(_content(directory, digest))) | {"RepoTags": [reference]}
    (directory / "index.json").write_bytes(_json(index))
    (directory / FOR_DOCKER).write_bytes(_json([for_docker]))


def _for_docker(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Where Docker finds the parts of an image."""
    layers = [_path(layer) for layer in manifest["layers"]]
    return {"Config": _path(manifest["config"]), "Layers": layers}


def _check_for_docker(directory: Path, manifest: Mapping[str, Any]) -> None:
    (found,) = json.loads((directory / FOR_DOCKER).read_bytes())
    if found != found | _for_docker(manifest):
        raise ValueError(f"{FOR_DOCKER} names another image than index.json")


def _saved_parts(saved: Path, image_id: str) -> tuple[bytes, list[str]]:
    """Configuration and names of the layers in what the engine has saved."""
    with tarfile.open(saved) as tar:
        (found,) = json.loads(member(tar, FOR_DOCKER).read())
        config = member(tar, found["Config"]).read()
    # An engine with containerd's store calls an image by its manifest, which `parity` proved.
    if image_id not in {_digest(config), *_manifests(saved)}:
        raise ArchiveError(
            f"the engine has saved {_digest(config)}, but {image_id} was asked for; materialise "
            "the asset service_image again"
        )
    return config, found["Layers"]


def _named(names: Sequence[str], digests: Sequence[str]) -> list[SavedLayer]:
    """The layers that were saved, with the digests that the image says."""
    if len(names) != len(digests):
        raise ArchiveError(
            f"the engine has saved {len(names)} layers, but the image has {len(digests)}; "
            "materialise the asset service_image again"
        )
    return [SavedLayer(name, digest) for name, digest in zip(names, digests, strict=True)]


def _manifests(saved: Path) -> Iterator[str]:
    """Digests of the manifests that an archive's index names."""
    with tarfile.open(saved) as tar:
        if "index.json" in tar.getnames():
            for one in json.loads(member(tar, "index.json").read())["manifests"]:
                yield one["digest"]


def _place(layer: Path, directory: Path) -> Blob:
    """Puts a compressed layer into a layout, as another name of the same file."""
    blob = Blob(f"sha256:{digest_of(layer)}", layer.stat().st_size)
    target = directory / blob.path
    if not target.exists():
        target.hardlink_to(layer)
    return blob


def _finish(directory: Path, config: bytes, layers: Sequence[Blob]) -> OciImage:
    described = _write_blob(directory, config).described(CONFIG_TYPE)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": described,
        "layers": [layer.described(LAYER_TYPE) for layer in layers],
    }
    digest = _write_blob(directory, _json(manifest)).digest
    (directory / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    paths = [directory / layer.path for layer in layers]
    about = ImageConfig.model_validate_json(config)
    return OciImage(directory, digest, described["digest"], paths, about)


def _write_blob(directory: Path, content: bytes) -> Blob:
    blob = Blob(_digest(content), len(content))
    (directory / blob.path).write_bytes(content)
    return blob


def _content(directory: Path, digest: str) -> bytes:
    """The content of a blob.

    Raises:
        ValueError: It is another one than its name says.
    """
    content = (directory / Blob(digest, 0).path).read_bytes()
    if _digest(content) != digest:
        raise ValueError(f"{digest} has another content")
    return content


def _path(descriptor: Mapping[str, Any]) -> str:
    return Blob(descriptor["digest"], 0).path


def _json(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
