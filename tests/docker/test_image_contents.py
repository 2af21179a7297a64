"""What is read from the layers of a real image is what the image says of itself."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from serving.release.contents.filesystem import FileSystem
from serving.release.contents.forbidden import find_forbidden
from serving.release.contents.image import ImageContents, read_image
from serving.release.contents.licenses import build_licenses
from serving.release.contents.packages import Kind
from serving.release.image import ServiceImage
from tests.docker.bundle_cases import RealBundle
from tests.docker.engine import engine

pytestmark = pytest.mark.docker

DISTRIBUTIONS = """
import importlib.metadata, json, pathlib
places = {str(one.parent) for one in pathlib.Path("/").rglob("*.dist-info")}
found = importlib.metadata.distributions(path=sorted(places))
print(json.dumps([[one.name, one.version] for one in found]))
"""
INSTALLED = r"${db:Status-Status}\t${Package}\t${Version}\t${source:Package}\t${source:Version}\n"


def ask(image: ServiceImage, *command: str) -> str:
    """What a command prints in the image, which root runs so that it sees all files."""
    options = ("--rm", "--network=none", "--user=0", f"--entrypoint={command[0]}")
    return engine("run", *options, image.id, *command[1:])


@pytest.fixture(scope="module")
def layers(real_bundle: RealBundle) -> Sequence[Path]:
    """The layers of the image, the lowest first."""
    return real_bundle.layers


@pytest.fixture(scope="module")
def contents(layers: Sequence[Path]) -> ImageContents:
    return read_image(layers)


def test_python_packages_are_those_that_the_image_has(
    oven_image: ServiceImage, contents: ImageContents
) -> None:
    told = json.loads(ask(oven_image, "python", "-c", DISTRIBUTIONS))
    found = [(one.name, one.version) for one in contents.packages if one.kind is Kind.PYTHON]
    assert sorted(found) == sorted((name, version) for name, version in told)
    assert len(found) > 50


def test_debian_packages_are_those_that_dpkg_knows(
    oven_image: ServiceImage, contents: ImageContents
) -> None:
    lines = ask(oven_image, "dpkg-query", "-W", "-f", INSTALLED).splitlines()
    told = [tuple(line.split("\t")[1:]) for line in lines if line.startswith("installed")]
    found = [
        (one.name, one.version, one.source, one.source_version)
        for one in contents.packages
        if one.kind is Kind.DEBIAN
    ]
    assert sorted(found) == sorted(told)
    assert len(found) > 50


def test_the_interpreter_is_the_one_that_runs(
    oven_image: ServiceImage, contents: ImageContents
) -> None:
    code = "import platform; print(platform.python_version())"
    [found] = [one.version for one in contents.packages if one.kind is Kind.INTERPRETER]
    assert found == ask(oven_image, "python", "-c", code)


def test_files_are_those_that_the_image_has(
    oven_image: ServiceImage, layers: Sequence[Path]
) -> None:
    told = ask(oven_image, "find", "/opt", "/usr", "/bento", "/var/lib", "-not", "-type", "d")
    nodes = FileSystem.of(layers, wanted=lambda _: False).nodes
    files = (path for path, node in nodes.items() if not node.is_directory)
    roots = ("opt/", "usr/", "bento/", "var/lib/")
    assert {*told.splitlines()} == {f"/{path}" for path in files if path.startswith(roots)}


def test_every_package_of_the_image_is_in_its_licenses(contents: ImageContents) -> None:
    lines = build_licenses("oven v3", contents.packages).decode().splitlines()
    rows = {tuple(line.split()[:2]) for line in lines}
    assert {(one.name, one.version) for one in contents.packages} <= rows
    assert any("Apache License" in line and "is under" not in line for line in lines)


def test_no_layer_of_the_image_holds_anything_forbidden(layers: Sequence[Path]) -> None:
    assert find_forbidden(layers) == []
