"""The SBOM of a service's image in CycloneDX 1.6: the image, its packages, and its model."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.component_evidence import ComponentEvidence, Occurrence
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.spdx import fixup_id, is_expression
from packageurl import PackageURL

from serving.release.contents.packages import Kind, Package, canonical

SERIALS = uuid.uuid5(uuid.NAMESPACE_URL, "https://cyclonedx.org/serial/ml-assets")
"""The namespace that SBOMs' serial numbers are made in."""


@dataclass(frozen=True)
class ImageFacts:
    """Which image an SBOM is of.

    Attributes:
        name: What it serves, such as ``iris``.
        version: Version of that, such as ``v3``.
        manifest: Digest of its manifest, ``sha256:...``: what a registry knows it by.
        id: Digest of its configuration, ``sha256:...``: what an engine may know it by.
        created: When it was made, with a time zone.
    """

    name: str
    version: str
    manifest: str
    id: str
    created: datetime


@dataclass(frozen=True)
class ModelFile:
    """A file of the model that an image serves.

    Attributes:
        name: Its path in the model's directory.
        sha256: Its digest, 64 hexadecimal digits.
    """

    name: str
    sha256: str


def build_sbom(image: ImageFacts, packages: Sequence[Package], model: Sequence[ModelFile]) -> bytes:
    """An SBOM as JSON; the same for the same image.

    Args:
        image: The image.
        packages: What `read_image` has found in it.
        model: All files of the model that it serves.
    """
    root = _image(image)
    parts = [_model(image, model), *_packages(packages)]
    bom = Bom(
        serial_number=uuid.uuid5(SERIALS, image.manifest),
        metadata=BomMetaData(component=root, timestamp=image.created),
        components=parts,
    )
    bom.register_dependency(root, parts)
    return JsonV1Dot6(bom).output_as_string(indent=2).encode() + b"\n"


def _image(image: ImageFacts) -> Component:
    name = image.name.rpartition("/")[2].lower()
    url = PackageURL("oci", name=name, version=image.manifest, qualifiers={"tag": image.version})
    return Component(
        type=ComponentType.CONTAINER,
        name=image.name,
        version=image.version,
        purl=url,
        bom_ref=url.to_string(),
        hashes=[_hash(image.manifest.removeprefix("sha256:"))],
        properties=[Property(name="ml-assets:image-id", value=image.id)],
    )


def _model(image: ImageFacts, files: Iterable[ModelFile]) -> Component:
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=image.name,
        version=image.version,
        bom_ref=f"model:{image.name}@{image.version}",
        components=[
            Component(
                type=ComponentType.FILE,
                name=file.name,
                bom_ref=f"model:{image.name}@{image.version}/{file.name}",
                hashes=[_hash(file.sha256)],
            )
            for file in files
        ],
    )


def _packages(packages: Sequence[Package]) -> list[Component]:
    """A component for each package, which may lie in several places."""
    ordered = sorted(packages, key=lambda one: (one.key, one.place))
    return [_package([*same]) for _, same in groupby(ordered, key=lambda one: one.key)]


def _package(same: Sequence[Package]) -> Component:
    package = same[0]
    url = package_url(package)
    is_interpreter = package.kind is Kind.INTERPRETER
    return Component(
        type=ComponentType.PLATFORM if is_interpreter else ComponentType.LIBRARY,
        name=package.name,
        version=package.version,
        purl=url,
        bom_ref=url.to_string(),
        licenses=_licences(package.licence),
        properties=_properties(package),
        evidence=ComponentEvidence(occurrences=[_place(one, url) for one in same]),
    )


def _place(package: Package, url: PackageURL) -> Occurrence:
    """Where a package lies; without a reference of its own, places are in no order."""
    return Occurrence(location=f"/{package.place}", bom_ref=f"{url}#/{package.place}")


def package_url(package: Package) -> PackageURL:
    """The package URL by which others know a package."""
    if package.kind is Kind.PYTHON:
        return PackageURL("pypi", name=canonical(package.name), version=package.version)
    if package.kind is Kind.INTERPRETER:
        return PackageURL("generic", name=package.name, version=package.version)
    qualifiers = {"arch": package.architecture}
    if package.release:
        qualifiers["distro"] = f"debian-{package.release}"
    return PackageURL("deb", "debian", package.name, package.version, qualifiers)


def _properties(package: Package) -> list[Property]:
    if package.kind is not Kind.DEBIAN:
        return []
    return [
        Property(name="ml-assets:source-package", value=package.source),
        Property(name="ml-assets:source-version", value=package.source_version),
    ]


def _licences(said: str) -> list[DisjunctiveLicense | LicenseExpression]:
    if not said:
        return []
    if known := fixup_id(said):
        return [DisjunctiveLicense(id=known)]
    return [LicenseExpression(said) if is_expression(said) else DisjunctiveLicense(name=said)]


def _hash(sha256: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=sha256)
