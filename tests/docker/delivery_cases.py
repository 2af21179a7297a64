"""Small signed releases, and registries of the tests' own: what deliveries need, and fast."""

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException, HTTPMessage
from pathlib import Path
from typing import Any

import pytest

from serving.release.bundle.archive import pack
from serving.release.bundle.assembling import IMAGE, PROVENANCE, SBOM
from serving.release.bundle.facts import RELEASE, ReleaseFacts, immutable_tag
from serving.release.bundle.oci import MANIFEST_TYPE, name_image, write_layout
from serving.release.bundle.provenance import provenance
from serving.release.bundle.signed_files import SUMS, file_sha256, sign_directory
from serving.release.probe import free_ports
from serving.release.pushing import push_bundle
from serving.release.records import BundleRecord, ReleaseFiles
from serving.release.settings import ReleaseSettings
from serving.release.signing import Signer
from serving.release.workplace import workplace
from tests.docker.engine import engine
from tests.docker.image_cases import FAMILY
from tests.docker.platform import until
from tests.unit.facts_cases import facts as facts_of

needs_cosign = pytest.mark.skipif(shutil.which("cosign") is None, reason="cosign is not installed")

REGISTRY = "registry:2.8.3"
MODEL = "oven"
WRITES = ('"PUT ', '"POST ', '"PATCH ', '"DELETE ')


@dataclass(frozen=True)
class RegistryCase:
    """A registry in a container.

    Attributes:
        container: Its id.
        address: Its host and port, on loopback.
    """

    container: str
    address: str

    def digest(self, name: str, reference: str) -> str | None:
        """What it has in a repository under a tag."""
        response = self._ask(f"/v2/{name}/manifests/{reference}")[0]
        return response.get("Docker-Content-Digest")

    def tags(self, name: str) -> set[str]:
        """The tags in a repository, without those that cosign gives to signatures."""
        found = json.loads(self._ask(f"/v2/{name}/tags/list")[1]).get("tags") or []
        return {tag for tag in found if not tag.startswith("sha256-")}

    def signatures(self, name: str, digest: str, *, kind: str = "sig") -> int:
        """How many signatures (or attestations, ``att``) an image has."""
        tag = f"{digest.replace(':', '-')}.{kind}"
        return len(json.loads(self._ask(f"/v2/{name}/manifests/{tag}")[1]).get("layers", []))

    def forget(self, name: str, digest: str) -> None:
        """Removes what it has under a digest."""
        status = self._request("DELETE", f"/v2/{name}/manifests/{digest}")[0]
        assert status == 202, status

    def forget_signatures(self, name: str, digest: str) -> None:
        """Removes the signatures of an image; it stays."""
        tag = f"{digest.replace(':', '-')}.sig"
        signature = self.digest(name, tag)
        assert signature
        self.forget(name, signature)

    def writes(self) -> int:
        """How many requests have asked it to change anything."""
        shown = subprocess.run(
            ["docker", "logs", self.container], capture_output=True, text=True, check=True
        )
        lines = shown.stdout.splitlines()
        return sum(any(word in line for word in WRITES) for line in lines)

    def is_up(self) -> bool:
        """Whether it answers, be it that it wants a password."""
        try:
            return self._request("GET", "/v2/")[0] in {200, 401}
        except (OSError, HTTPException):
            return False

    def _ask(self, path: str) -> tuple[HTTPMessage, bytes]:
        return self._request("GET", path)[1:]

    def _request(self, method: str, path: str) -> tuple[int, HTTPMessage, bytes]:
        connection = HTTPConnection(self.address, timeout=5)
        connection.request(method, path, headers={"Accept": MANIFEST_TYPE})
        response = connection.getresponse()
        return response.status, response.headers, response.read()


@contextmanager
def running_registry(*options: str) -> Iterator[RegistryCase]:
    """A registry on a free port of loopback, until the block ends."""
    deletes = "--env=REGISTRY_STORAGE_DELETE_ENABLED=true"
    (port,) = free_ports(1)
    published = f"--publish=127.0.0.1:{port}:5000"
    name = f"--name={FAMILY}-registry-{port}"
    container = engine("run", "--detach", name, published, deletes, *options, REGISTRY)
    try:
        case = RegistryCase(container, f"127.0.0.1:{port}")
        await_registry(case)
        yield case
    finally:
        engine("container", "rm", "--force", "--volumes", container)


@contextmanager
def registry_down(case: RegistryCase) -> Iterator[None]:
    """Takes a registry away for the length of a block."""
    engine("container", "kill", case.container)
    try:
        yield
    finally:
        engine("container", "start", case.container)
        await_registry(case)


def await_registry(case: RegistryCase) -> None:
    """Waits until a registry answers."""
    until(case.is_up, seconds=30, what="the registry")


def make_key(directory: Path, name: str = "development") -> Signer:
    """A key of cosign without a password."""
    directory.mkdir(parents=True, exist_ok=True)
    command = ["cosign", "generate-key-pair", f"--output-key-prefix={directory / name}"]
    environment = {**os.environ, "COSIGN_PASSWORD": ""}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return Signer(str(directory / f"{name}.key"))


@dataclass(frozen=True)
class SmallRelease:
    """A version whose bundle is there.

    Attributes:
        settings: Those of the release.
        record: The record of the bundle.
        files: Where it lies.
    """

    settings: ReleaseSettings
    record: BundleRecord
    files: ReleaseFiles

    @property
    def facts(self) -> ReleaseFacts:
        """What the release is."""
        return self.record.facts

    @property
    def tag(self) -> str:
        """Its immutable tag."""
        return immutable_tag(self.facts.version, self.facts.image_digest)

    @property
    def archive(self) -> Path:
        """The file of the bundle."""
        return self.files.archive(self.record)

    def push(self) -> None:
        """Pushes it to our own registry, signed."""
        push_bundle(self.record, self.files, self.settings)


def small_settings(home: Path, *, registry: str) -> ReleaseSettings:
    """Settings of a release below a directory of its own, with a key."""
    make_key(home / "signing")
    return replace(
        ReleaseSettings.from_environment(),
        home=home,
        registry=registry,
        registry_address=registry,
        signing_home=home / "signing",
        signing_key="",
        is_development=True,
        customers_file=home / "customers.yaml",
        deliveries=home / "deliveries",
    )


def small_release(
    settings: ReleaseSettings, *, version: int = 1, content: str = ""
) -> SmallRelease:
    """Bundles an image of one small layer, as the asset `bundle` does with a big one."""
    files = ReleaseFiles.of(settings, MODEL, version)
    signer = settings.require_signer()
    image_id = small_image(content or f"v{version}", place=settings.home)
    with workplace(files) as place:
        (place / "layout").mkdir()
        image = write_layout(image_id, place / "layout", cache=settings.home / "layers")
        tag = immutable_tag(str(version), image.digest)
        facts = facts_of(
            version,
            model=MODEL,
            image=f"{MODEL}:{tag}",
            image_digest=image.digest,
            image_id=image.image_id,
            key_fingerprint=signer.public_key().fingerprint,
        )
        directory = place / "bundle"
        directory.mkdir()
        for name, described in _documents(facts).items():
            (directory / name).write_text(json.dumps(described))
        name_image(image.directory, image.digest, facts.image)
        pack(image.directory, directory / IMAGE, epoch=0)
        sign_directory(directory, signer)
        sums = file_sha256(directory / SUMS)
        record = BundleRecord(file=f"{facts.name}.tar", image_id=image_id, sums=sums, facts=facts)
        pack(directory, files.archive(record), epoch=0, below=facts.name)
    files.write_bundle(record)
    return SmallRelease(settings, record, files)


def two_releases(settings: ReleaseSettings) -> tuple[SmallRelease, SmallRelease]:
    """The first two versions of a model."""
    return small_release(settings, version=1), small_release(settings, version=2)


def small_image(content: str, *, place: Path) -> str:
    """Id of an image in the engine whose one layer holds one file, the same each time."""
    name = f"{FAMILY}/small:{content}"
    if found := engine("image", "ls", "--quiet", "--no-trunc", name):
        return found
    archive = place / "small.tar"
    with tarfile.open(archive, "w") as tar:
        entry = tarfile.TarInfo("content")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content.encode()))
    return engine("image", "import", str(archive), name)


def remove_small_images() -> None:
    """Removes all images that `small_image` has made."""
    if images := engine("image", "ls", "--quiet", f"{FAMILY}/small"):
        engine("image", "rm", "--force", *{*images.split()})


def _documents(facts: ReleaseFacts) -> dict[str, dict[str, Any]]:
    statement = provenance(facts, run="run1", started=facts.released, builder={})
    digest = facts.image_digest.removeprefix("sha256:")
    image = {"type": "container", "name": MODEL, "hashes": [{"alg": "SHA-256", "content": digest}]}
    sbom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": image}}
    return {RELEASE: facts.model_dump(mode="json"), SBOM: sbom, PROVENANCE: statement}
