"""Images are pushed to a real registry; where that fails, names are as they were."""

import time
import uuid
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException

import pytest

from serving.release.engine import EngineError, GoneError
from serving.release.image import ServiceImage
from serving.release.packaging import BuiltBento
from serving.release.push import push
from tests.docker.engine import engine
from tests.docker.image_cases import FAMILY, build, derived

pytestmark = pytest.mark.docker

REGISTRY = "registry:2.8.3"
KINDS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)


def fetch(address: str, path: str) -> tuple[int, str]:
    """Status and content digest of a page of the registry."""
    connection = HTTPConnection(address, timeout=5)
    connection.request("GET", path, headers={"Accept": ", ".join(KINDS)})
    response = connection.getresponse()
    return response.status, response.headers.get("Docker-Content-Digest", "")


def is_up(address: str) -> bool:
    try:
        return fetch(address, "/v2/")[0] == 200
    except (OSError, HTTPException):
        return False


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    """Address of a registry of this module's own."""
    container = engine("run", "--detach", "--publish=127.0.0.1::5000", REGISTRY)
    try:
        address = engine("container", "port", container, "5000/tcp").splitlines()[0]
        while not is_up(address):
            time.sleep(0.05)
        yield address
    finally:
        engine("container", "rm", "--force", "--volumes", container)


@pytest.fixture
def reference(registry: str) -> Iterator[str]:
    """A name in the registry that nobody has used."""
    yield from removed(f"{registry}/{FAMILY}/{uuid.uuid4().hex[:8]}:v3")


@pytest.fixture
def nowhere() -> Iterator[str]:
    """A name in a registry that is down."""
    yield from removed(f"127.0.0.1:1/{FAMILY}/oven:v3")


@pytest.fixture
def other_image(oven_bento: BuiltBento) -> ServiceImage:
    return build(oven_bento, "other", base=derived("pushed", "RUN touch /pushed"))


def removed(reference: str) -> Iterator[str]:
    yield reference
    if image_of(reference):
        engine("image", "rm", reference)


def image_of(reference: str) -> str:
    return engine("image", "ls", "--quiet", "--no-trunc", f"--filter=reference={reference}")


def digest_of(reference: str) -> str:
    """What the registry has under a name."""
    address, _, rest = reference.partition("/")
    repository, _, tag = rest.partition(":")
    return fetch(address, f"/v2/{repository}/manifests/{tag}")[1]


def test_the_digest_is_the_registrys(oven_image: ServiceImage, reference: str) -> None:
    digest = push(oven_image, reference=reference)
    assert digest.startswith("sha256:")
    assert digest == digest_of(reference)


def test_what_is_pulled_by_the_digest_is_the_image(
    oven_image: ServiceImage, reference: str
) -> None:
    digest = push(oven_image, reference=reference)
    fixed = f"{reference.rpartition(':')[0]}@{digest}"
    engine("pull", "--quiet", fixed)
    assert engine("image", "inspect", "--format={{.Id}}", fixed) == oven_image.id


def test_pushing_again_gives_the_same_digest(oven_image: ServiceImage, reference: str) -> None:
    digests = {push(oven_image, reference=reference) for _ in range(2)}
    assert digests == {digest_of(reference)}


def test_a_name_moves_to_the_image_that_is_pushed_last(
    oven_image: ServiceImage, other_image: ServiceImage, reference: str
) -> None:
    first, second = (push(image, reference=reference) for image in (oven_image, other_image))
    assert first != second == digest_of(reference)
    assert push(oven_image, reference=reference) == first == digest_of(reference)


def test_a_registry_out_of_reach_leaves_no_name(oven_image: ServiceImage, nowhere: str) -> None:
    with pytest.raises(EngineError, match="docker image push: the registry is out of reach"):
        push(oven_image, reference=nowhere)
    assert image_of(nowhere) == ""
    assert image_of(oven_image.name) == oven_image.id


def test_a_registry_out_of_reach_leaves_a_name_where_it_was(
    oven_image: ServiceImage, other_image: ServiceImage, nowhere: str
) -> None:
    engine("image", "tag", other_image.id, nowhere)
    with pytest.raises(EngineError, match="registry is out of reach"):
        push(oven_image, reference=nowhere)
    assert image_of(nowhere) == other_image.id


def test_an_image_under_its_name_in_the_registry_survives_a_failed_push(
    oven_image: ServiceImage, nowhere: str
) -> None:
    engine("image", "tag", oven_image.id, nowhere)
    with pytest.raises(EngineError, match="registry is out of reach"):
        push(ServiceImage(nowhere, oven_image.id), reference=nowhere)
    assert image_of(nowhere) == oven_image.id


def test_an_image_that_is_gone_is_a_clear_error(reference: str) -> None:
    with pytest.raises(GoneError, match="docker image tag: it is not there"):
        push(ServiceImage("oven:v3", f"sha256:{'0' * 64}"), reference=reference)
    assert image_of(reference) == ""
