"""Bundles that several files of tests use."""

from pathlib import Path

import pytest

from tests.unit.bundle_cases import Bundle, KeyPair
from tests.unit.saved_images import image


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of a small image, which tests may copy but not change."""
    return Bundle.make(tmp_path_factory.mktemp("made"), image("1.0"), KeyPair())


@pytest.fixture
def bundle(made: Bundle, tmp_path: Path) -> Bundle:
    """A copy of it, which a test changes."""
    return made.copy(tmp_path)


@pytest.fixture(scope="session")
def other(made: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundle of a later version with another image, signed with the same key."""
    place = tmp_path_factory.mktemp("other")
    return Bundle.make(place, image("2.0"), made.signer, version="4")
