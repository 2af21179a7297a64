"""A Bento, its image and its golden requests, which several files of tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.golden import GoldenRequest
from serving.release.image import ServiceImage
from serving.release.packaging import BuiltBento, build_bento
from serving.runtime.model import Model
from tests.docker.bundle_cases import RealBundle, make_bundle
from tests.docker.cosign_cases import cosign_on_path
from tests.docker.delivery_cases import RegistryCase, running_registry
from tests.docker.engine import remove_names
from tests.docker.image_cases import FAMILY, build, golden_requests
from tests.docker.office import Office
from tests.docker.platform import PlatformCase
from tests.docker.small_releases import (
    SmallRelease,
    remove_small_images,
    small_settings,
    two_releases,
)
from tests.unit.model_cases import REGISTERED, forecast_model


@pytest.fixture(scope="session")
def oven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a small fitted forecast."""
    directory = tmp_path_factory.mktemp("oven")
    forecast_model(directory)
    return directory


@pytest.fixture(scope="session")
def oven_golden(oven: Path) -> list[GoldenRequest]:
    """What it was asked, and what it answered."""
    return golden_requests(Model.load(oven), count=500)


@pytest.fixture(scope="session")
def oven_bento(oven: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltBento]:
    """Its Bento; the images that tests build of it and of its copies are removed at the end."""
    yield build_bento(
        oven, version="3", created=REGISTERED, bento_home=tmp_path_factory.mktemp("bentoml")
    )
    remove_names(f"{FAMILY}/*")


@pytest.fixture(scope="session")
def oven_image(oven_bento: BuiltBento) -> ServiceImage:
    """Its image, in the engine."""
    return build(oven_bento, "v3")


@pytest.fixture(scope="session")
def cosign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The command `cosign`."""
    with cosign_on_path(tmp_path_factory.mktemp("bin")):
        yield


@pytest.fixture(scope="session")
def real_bundle(
    cosign: None,
    oven_image: ServiceImage,
    oven_bento: BuiltBento,
    oven_golden: list[GoldenRequest],
    tmp_path_factory: pytest.TempPathFactory,
) -> RealBundle:
    """The bundle of that image, signed with a key of its own."""
    place = tmp_path_factory.mktemp("bundle")
    return make_bundle(oven_image, oven_bento, oven_golden, place)


@pytest.fixture(scope="session")
def platform() -> Iterator[PlatformCase]:
    """A platform that tests share; what one breaks it mends."""
    case = PlatformCase.create("ml-assets-test")
    try:
        case.up()
        yield case
    finally:
        case.remove()


@pytest.fixture(scope="session")
def _small_images() -> Iterator[None]:
    """Lets no small image stay in the engine."""
    yield
    remove_small_images()


@pytest.fixture(scope="session")
def ours(_small_images: None) -> Iterator[RegistryCase]:
    """Our own registry."""
    with running_registry() as case:
        yield case


@pytest.fixture(scope="module")
def acme() -> Iterator[RegistryCase]:
    """A customer's registry."""
    with running_registry() as case:
        yield case


@pytest.fixture(scope="module")
def globex() -> Iterator[RegistryCase]:
    """Another customer's registry."""
    with running_registry() as case:
        yield case


@pytest.fixture(scope="session")
def shelf(
    cosign: None, ours: RegistryCase, tmp_path_factory: pytest.TempPathFactory
) -> tuple[SmallRelease, SmallRelease]:
    """Two versions that are pushed to our registry."""
    place = tmp_path_factory.mktemp("shelf")
    first, second = two_releases(small_settings(place, registry=f"{ours.address}/shelf"))
    first.push()
    second.push()
    return first, second


@pytest.fixture
def office(shelf: tuple[SmallRelease, SmallRelease], tmp_path: Path) -> Office:
    """An office of this test's own."""
    return Office(shelf, tmp_path, tmp_path.name.replace("_", "-"))
