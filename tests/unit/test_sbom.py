"""The SBOM of an image: complete, valid, and the same each time."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from serving.release.contents.image import read_image
from serving.release.contents.packages import Kind, Package
from serving.release.contents.sbom import ImageFacts, ModelFile, build_sbom
from tests.unit.image_cases import BASE, PACKAGES, Content, layers, metadata

MANIFEST, ID = "sha256:" + "a" * 64, "sha256:" + "b" * 64
IMAGE = ImageFacts("ml-assets/Oven", "v3", MANIFEST, ID, datetime(2026, 1, 2, tzinfo=UTC))
MODEL = (ModelFile("model.ubj", "c" * 64), ModelFile("model.json", "d" * 64))


@pytest.fixture
def packages(tmp_path: Path) -> tuple[Package, ...]:
    upper: dict[str, Content] = {
        f"{PACKAGES}/{name}-1.0.dist-info/METADATA": metadata(name, "1.0", *fields)
        for name, fields in {
            "one": ("License-Expression: MIT",),
            "Two_2": ("License-Expression: MIT OR Zlib",),
            "three": ("License: of our own",),
            "four": (),
        }.items()
    }
    upper["srv/one-1.0.dist-info/METADATA"] = metadata("one", "1.0")
    return read_image(layers(tmp_path, BASE, upper)).packages


@pytest.fixture
def sbom(packages: tuple[Package, ...]) -> Any:
    return json.loads(build_sbom(IMAGE, packages, MODEL))


def components(sbom: Any) -> dict[str, Any]:
    return {one["name"]: one for one in sbom["components"]}


def test_it_is_valid(packages: tuple[Package, ...]) -> None:
    text = build_sbom(IMAGE, packages, MODEL).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    broken = text.replace('"container"', '"box"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(broken) is not None


def test_it_is_of_the_image(sbom: Any) -> None:
    image = sbom["metadata"]["component"]
    assert (image["type"], image["name"], image["version"]) == (
        "container",
        "ml-assets/Oven",
        "v3",
    )
    assert image["purl"] == f"pkg:oci/oven@{MANIFEST}?tag=v3"
    assert image["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert image["properties"] == [{"name": "ml-assets:image-id", "value": ID}]


def test_it_is_as_old_as_the_image(sbom: Any) -> None:
    assert sbom["metadata"]["timestamp"] == "2026-01-02T00:00:00+00:00"


def test_every_package_is_there_once(sbom: Any) -> None:
    found = [one["purl"] for one in sbom["components"] if "purl" in one]
    assert sorted(found) == [
        "pkg:deb/debian/bash@5.2.15-2%2Bb13?arch=amd64&distro=debian-12",
        "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14?arch=amd64&distro=debian-12",
        "pkg:generic/cpython@3.11.14",
        "pkg:pypi/four@1.0",
        "pkg:pypi/one@1.0",
        "pkg:pypi/three@1.0",
        "pkg:pypi/two-2@1.0",
    ]


def test_a_package_names_all_its_places(sbom: Any) -> None:
    places = components(sbom)["one"]["evidence"]["occurrences"]
    assert [one["location"] for one in places] == [
        f"/{PACKAGES}/one-1.0.dist-info/METADATA",
        "/srv/one-1.0.dist-info/METADATA",
    ]


def test_a_debian_package_names_its_source(sbom: Any) -> None:
    properties = components(sbom)["libstdc++6"]["properties"]
    assert {one["name"]: one["value"] for one in properties} == {
        "ml-assets:source-package": "gcc-12",
        "ml-assets:source-version": "12.2.0-14",
    }


def test_licences_are_expressions_where_they_can_be_told(sbom: Any) -> None:
    found = {name: one.get("licenses") for name, one in components(sbom).items()}
    assert found["one"] == [{"license": {"id": "MIT"}}]
    assert found["Two_2"] == [{"expression": "MIT OR Zlib"}]
    assert found["three"] == [{"license": {"name": "of our own"}}]
    assert found["four"] is None
    assert found["bash"] == [{"expression": "GPL-3.0-or-later AND MIT"}]


def test_the_model_is_there_with_its_files(sbom: Any) -> None:
    [model] = [one for one in sbom["components"] if one["type"] == "machine-learning-model"]
    assert {one["name"]: one["hashes"][0]["content"] for one in model["components"]} == {
        "model.ubj": "c" * 64,
        "model.json": "d" * 64,
    }


def test_the_image_depends_on_all_that_is_in_it(sbom: Any) -> None:
    root = sbom["metadata"]["component"]["bom-ref"]
    [depends] = [one["dependsOn"] for one in sbom["dependencies"] if one["ref"] == root]
    assert {*depends} == {one["bom-ref"] for one in sbom["components"]}


def test_it_is_the_same_whatever_the_order(packages: tuple[Package, ...]) -> None:
    again = build_sbom(IMAGE, packages[::-1], MODEL[::-1])
    assert again == build_sbom(IMAGE, packages, MODEL)


def test_places_of_a_package_are_always_in_one_order() -> None:
    places = [Package(Kind.PYTHON, "one", "1.0", f"srv/{letter}") for letter in "abcdefgh"]
    assert len({build_sbom(IMAGE, places, MODEL) for _ in range(9)}) == 1


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(IMAGE, manifest="sha256:" + "e" * 64),
        dataclasses.replace(IMAGE, id="sha256:" + "e" * 64),
        dataclasses.replace(IMAGE, version="v4"),
        dataclasses.replace(IMAGE, created=IMAGE.created + timedelta(seconds=1)),
    ],
)
def test_another_image_has_another_sbom(packages: tuple[Package, ...], other: ImageFacts) -> None:
    assert build_sbom(other, packages, MODEL) != build_sbom(IMAGE, packages, MODEL)


def test_the_serial_number_is_of_the_manifest(sbom: Any) -> None:
    other = dataclasses.replace(IMAGE, manifest="sha256:" + "e" * 64)
    package = Package(Kind.PYTHON, "one", "1.0", "here")
    [first, second, third] = [
        json.loads(build_sbom(image, found, MODEL))["serialNumber"]
        for image, found in [(IMAGE, ()), (IMAGE, (package,)), (other, ())]
    ]
    assert first == second == sbom["serialNumber"] != third
