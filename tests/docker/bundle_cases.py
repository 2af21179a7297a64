"""A real bundle of the oven's image, signed by cosign with a key that is thrown away."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from serving.golden import GoldenRequest, write_golden
from serving.release.admission import admit
from serving.release.bundle.archive import pack
from serving.release.bundle.assembling import assemble
from serving.release.bundle.facts import immutable_tag
from serving.release.bundle.oci import write_layout
from serving.release.bundle.signed_files import sign_directory
from serving.release.contents.sbom import ModelFile
from serving.release.image import ServiceImage
from serving.release.origin import Origin
from serving.release.packaging import BuiltBento
from serving.release.parity import SERVED_MODEL, SERVED_OPENAPI, prove
from serving.release.probe import free_ports
from serving.runtime.files import MANIFEST
from serving.runtime.manifest import read_manifest
from tests.docker.cosign_cases import make_key
from tests.docker.engine import engine
from tests.docker.image_cases import FAMILY
from tests.unit.bundle_cases import MADE, Bundle, facts_of, parts


@dataclass(frozen=True)
class RealBundle:
    """A bundle as a customer gets it.

    Attributes:
        archive: The bundle as one file.
        bundle: The same, unpacked.
        layers: The compressed layers of its image, lowest first.
    """

    archive: Path
    bundle: Bundle
    layers: Sequence[Path]

    def unpack(self, place: Path) -> Bundle:
        """Unpacks it as a customer does."""
        place.mkdir(exist_ok=True)
        subprocess.run(["tar", "-xf", self.archive, "-C", place], check=True)
        (directory,) = place.iterdir()
        return replace(self.bundle, directory=directory)

    def copy(self, place: Path) -> Bundle:
        """A copy of which only the image is shared."""
        found = replace(self.bundle, directory=place / self.bundle.directory.name)
        image = self.bundle.directory / "image.tar"
        shutil.copytree(
            self.bundle.directory, found.directory, ignore=shutil.ignore_patterns(image.name)
        )
        (found.directory / image.name).hardlink_to(image)
        return found


def make_bundle(
    image: ServiceImage, bento: BuiltBento, golden: Sequence[GoldenRequest], place: Path
) -> RealBundle:
    """Makes the bundle of an image."""
    signer = make_key(place / "keys")
    layout = place / "layout"
    layout.mkdir()
    found = write_layout(image.id, layout, cache=place / "layers")
    write_golden(golden, place / "golden.jsonl.gz")
    digests = read_manifest(bento.path / "src" / "model").files
    documents = prove(image, golden).documents
    origin, known = Origin.of(found), admit(found, name="oven", scan_home=place)
    about = facts_of(
        found,
        signer,
        golden_requests=len(golden),
        model_digest=str(json.loads(documents[SERVED_MODEL])["digest"]),
        image=f"{FAMILY}/oven:{immutable_tag('3', found.digest)}",
        base_image=origin.base,
        base_image_id=origin.base_id,
        lock_digest=origin.lock,
    )
    directory = place / about.name
    directory.mkdir()
    files = {MANIFEST: about.model_digest, **digests}
    given = parts(
        found,
        about,
        contents=known.contents,
        scan=known.scan,
        model=[ModelFile(name, digest) for name, digest in files.items()],
        told=documents[SERVED_MODEL],
        openapi=documents[SERVED_OPENAPI],
        example=json.dumps({"data": golden[0].data}).encode(),
        golden=(place / "golden.jsonl.gz").read_bytes(),
    )
    assemble(directory, given)
    sign_directory(directory, signer)
    archive = place / f"{about.name}.tar"
    pack(directory, archive, epoch=int(MADE.timestamp()), below=about.name)
    return RealBundle(archive, Bundle(directory, about, signer), found.layers)


@contextmanager
def composed(bundle: Bundle) -> Iterator[int]:
    """Runs the service as the bundle's own compose file says; yields its port."""
    (port,) = free_ports(1)
    place = f"--project-directory={bundle.directory}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PORT", str(port))
        try:
            engine("compose", place, f"-p={FAMILY}", "up", "-d", "--wait")
            yield port
        finally:
            engine("compose", place, f"-p={FAMILY}", "down", "--volumes")


def forget(bundle: Bundle) -> None:
    """Takes the bundle's name for its image away from the engine, whoever has it."""
    if engine("image", "ls", "--quiet", bundle.facts.image):
        engine("image", "rm", "--no-prune", bundle.facts.image)
