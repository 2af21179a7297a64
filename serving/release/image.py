"""Builds the image of a service: the runtime base, and one thin layer with a Bento on top.

The same Bento on the same base gives the same image, to the last bit: all times in it are the one
that the Bento gives as its creation. Nothing in the layer can be written, whoever the service runs
as.
"""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml
from pydantic import ValidationError

from serving.release.documents import PartOfDocument
from serving.release.engine import (
    EngineError,
    GoneError,
    ImageDetails,
    docker,
    find_image,
    inspect_image,
)
from serving.release.layer import Files, archive, content_hash, read_files
from serving.release.packaging import BuiltBento
from serving.runtime.errors import MLAssetsError

MODEL, VERSION, DATA_VERSION = "ml-assets.model", "ml-assets.version", "ml-assets.data-version"
GIT_COMMIT, RUN = "ml-assets.git-commit", "ml-assets.mlflow-run"
BENTO, BASE, LOCK = "ml-assets.bento", "ml-assets.base", "ml-assets.lock"
"""Labels of an image: what it serves, the training that made it, and what it was built of. The
lock file is told by the base."""
OCI = "org.opencontainers.image"
BASE_NAME = f"{OCI}.base.name"

ARCHIVE = "bento.tar"
DOCKERFILE = f"ARG BASE\nFROM ${{BASE}}\nADD {ARCHIVE} /\n"

_log = logging.getLogger(__name__)


class ImageError(MLAssetsError):
    """An image can't be built; the message says why."""


@dataclass(frozen=True)
class ServiceImage:
    """The image of a service that the engine has.

    Attributes:
        name: Its name with a tag, such as ``ml-assets/iris:v3``.
        id: Its digest, ``sha256:...``.
    """

    name: str
    id: str


class BentoLabels(PartOfDocument):
    """The labels that a Bento of this project carries."""

    model: str
    version: str
    data_version: str


class BentoFacts(PartOfDocument):
    """What a Bento says of itself in its ``bento.yaml``.

    Attributes:
        labels: The model, and its version in the registry.
        creation_time: When its model's version was registered.
    """

    labels: BentoLabels
    creation_time: datetime

    @property
    def epoch(self) -> int:
        """Its creation, in whole seconds since 1970."""
        return int(self.creation_time.timestamp())


def build_image(
    bento: BuiltBento, *, name: str, base: str, labels: Mapping[str, str]
) -> ServiceImage:
    """Builds the image of a service, unless the engine has one of that name, content and labels.

    Args:
        bento: The Bento that it serves.
        name: Name of the image, with a tag.
        base: The runtime image to put the Bento on; the engine must have it.
        labels: What the Bento does not know: `GIT_COMMIT` and `RUN` of the training, and whatever
            else stays the same when the same version is released again.

    Raises:
        ImageError: The Bento can't be read or is another one than the labels say, there is no
            space to stage it, or the base was exchanged meanwhile.
        EngineError: The engine refuses, is out of reach, or does not have the base.
    """
    found = _require_base(base)
    files, facts = _read(bento.path)
    known = _known(facts, files, base=base, base_id=found.id)
    _check_labels(labels, known)
    wanted = {f"{OCI}.revision": labels.get(GIT_COMMIT, ""), **labels, **known}
    present = find_image(name)
    if present and wanted.items() <= present.labels.items():
        _log.info("the engine has image %s already", name)
        return ServiceImage(name, present.id)
    _log.info("building image %s", name)
    with _staged(archive(files, epoch=facts.epoch)) as context:
        built = _build(context, name=name, labels=wanted, epoch=facts.epoch)
    _check_layers(built, found)
    return ServiceImage(name, built.id)


def _require_base(base: str) -> ImageDetails:
    """The base, which a build would otherwise look for in a public registry."""
    try:
        return inspect_image(base)
    except GoneError as error:
        raise EngineError(
            f"the engine has no image {base} to put a Bento on; build it with docker/build"
        ) from error


def _read(bento: Path) -> tuple[Files, BentoFacts]:
    try:
        files = read_files(bento)
        return files, BentoFacts.model_validate(yaml.safe_load(files["bento.yaml"]))
    except (OSError, KeyError, yaml.YAMLError, ValidationError) as error:
        raise ImageError(
            f"{bento} is not a Bento that can be read: {error}; build the Bento again"
        ) from error


def _known(facts: BentoFacts, files: Files, *, base: str, base_id: str) -> dict[str, str]:
    """The labels that follow from the Bento and the base."""
    return {
        MODEL: facts.labels.model,
        VERSION: facts.labels.version,
        DATA_VERSION: facts.labels.data_version,
        BENTO: content_hash(files),
        BASE: base_id,
        f"{OCI}.title": facts.labels.model,
        f"{OCI}.version": facts.labels.version,
        f"{OCI}.created": facts.creation_time.isoformat(),
        BASE_NAME: base,
    }


def _check_labels(claimed: Mapping[str, str], known: Mapping[str, str]) -> None:
    for key in claimed.keys() & known.keys():
        if claimed[key] != known[key]:
            raise ImageError(
                f"the label {key} is to be {claimed[key]!r}, but the Bento is of {known[key]!r}; "
                "build the Bento of that model and version"
            )


def _build(context: Path, *, name: str, labels: Mapping[str, str], epoch: int) -> ImageDetails:
    arguments = {"BASE": labels[BASE_NAME], "SOURCE_DATE_EPOCH": epoch}
    options = [f"--build-arg={key}={value}" for key, value in arguments.items()]
    options += [f"--label={key}={value}" for key, value in sorted(labels.items())]
    # An attestation of provenance would make each build another image.
    options += ["--provenance=false", f"--tag={name}", "--load", "--quiet"]
    return inspect_image(docker("buildx", "build", *options, str(context)))


@contextmanager
def _staged(layer: bytes) -> Iterator[Path]:
    """A directory with what the engine builds from.

    Raises:
        ImageError: It can't be written, for lack of space for instance.
    """
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as context:
            Path(context, "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
            Path(context, ARCHIVE).write_bytes(layer)
            yield Path(context)
    except OSError as error:
        raise ImageError(
            f"the image can't be staged: {error}; make room, or mend what it says"
        ) from error


def _check_layers(built: ImageDetails, base: ImageDetails) -> None:
    """Checks that the image is the base that its label names, and one layer on top."""
    if built.layers[:-1] != base.layers:
        raise ImageError(
            f"the base {base.id} was replaced by another one during the build; build the image "
            "again"
        )
