"""The image of a bundle gets to a real registry as it is, with its signature and attestations."""

import json
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import pytest

from serving.release.bundle.archive import read_member
from serving.release.bundle.assembling import PROVENANCE, SBOM
from serving.release.bundle.signed_files import BundleError
from serving.release.cosign import CosignError, UnsignedError, cosign
from serving.release.records import ReleaseError
from serving.release.registries import Repository
from serving.release.signing import OFFLINE, PublicKey
from tests.docker.cosign_cases import make_key, needs_cosign
from tests.docker.delivery_cases import RegistryCase
from tests.docker.engine import engine
from tests.docker.small_releases import MODEL, SmallRelease, small_release, small_settings

pytestmark = [pytest.mark.docker, needs_cosign]
IN_REGISTRY = f"pushed/{MODEL}"


@pytest.fixture(scope="module")
def release(ours: RegistryCase, tmp_path_factory: pytest.TempPathFactory) -> SmallRelease:
    """A release that is pushed; what a test takes away it brings back."""
    home = tmp_path_factory.mktemp("pushed")
    release = small_release(small_settings(home, registry=f"{ours.address}/pushed"))
    release.push()
    return release


@pytest.fixture
def unpushed(ours: RegistryCase, tmp_path: Path) -> SmallRelease:
    """A release that is not pushed yet, in a repository of its own."""
    place = f"{ours.address}/{tmp_path.name.replace('_', '-')}"
    return small_release(small_settings(tmp_path, registry=place))


@pytest.fixture
def repository(release: SmallRelease) -> Repository:
    """Our own repository."""
    return release.settings.repository(MODEL)


def key_of(release: SmallRelease) -> PublicKey:
    return release.settings.require_signer().public_key()


def verify(release: SmallRelease, repository: Repository) -> None:
    facts = release.facts
    key_of(release).verify_image(repository, facts.image_digest, annotations=facts.annotations)


def test_the_digest_in_the_registry_is_that_of_the_bundle(
    release: SmallRelease, ours: RegistryCase
) -> None:
    assert ours.tags(IN_REGISTRY) == {"v1", release.tag}
    found = {ours.digest(IN_REGISTRY, tag) for tag in ("v1", release.tag)}
    assert found == {release.facts.image_digest}


def test_what_is_pulled_by_the_digest_is_the_proved_image(
    release: SmallRelease, repository: Repository
) -> None:
    pinned = repository.pinned(release.facts.image_digest)
    engine("pull", "--quiet", pinned)
    try:
        assert engine("image", "inspect", "--format={{.Id}}", pinned) == release.record.image_id
    finally:
        engine("image", "rm", pinned)


@pytest.mark.parametrize(("kind", "name"), [("cyclonedx", SBOM), ("slsaprovenance1", PROVENANCE)])
def test_an_attestation_says_what_the_bundle_says(
    release: SmallRelease, repository: Repository, kind: str, name: str
) -> None:
    key = Path(release.settings.signing_home, "development.pub")
    options = (f"--type={kind}", f"--key={key}", *OFFLINE)
    printed = cosign("verify-attestation", *options, repository.pinned(release.facts.image_digest))
    said = json.loads(b64decode(json.loads(printed)["payload"]))["predicate"]
    in_bundle = json.loads(read_member(release.archive, name))
    assert said == in_bundle.get("predicate", in_bundle)


def test_pushing_again_changes_nothing(release: SmallRelease, ours: RegistryCase) -> None:
    before, digest = ours.writes(), release.facts.image_digest
    release.push()
    assert ours.writes() == before
    assert ours.signatures(IN_REGISTRY, digest) == 1
    assert ours.signatures(IN_REGISTRY, digest, kind="att") == 2


def test_the_versions_tag_moves_and_the_immutable_one_stays(
    release: SmallRelease, ours: RegistryCase
) -> None:
    first = small_release(release.settings, version=9, content="first")
    first.push()
    anew = small_release(release.settings, version=9, content="anew")
    anew.push()
    assert ours.digest(IN_REGISTRY, "v9") == anew.facts.image_digest
    assert ours.digest(IN_REGISTRY, anew.tag) == anew.facts.image_digest
    assert ours.digest(IN_REGISTRY, first.tag) == first.facts.image_digest


def test_a_registry_out_of_reach_is_a_clear_error(release: SmallRelease) -> None:
    nowhere = replace(release.settings, registry_address="127.0.0.1:1")
    with pytest.raises(CosignError, match=r"127\.0\.0\.1:1/oven:v1-.*registry .* is out of reach"):
        replace(release, settings=nowhere).push()


def test_an_image_that_lost_its_signature_is_refused_until_it_is_pushed_again(
    release: SmallRelease, ours: RegistryCase, repository: Repository
) -> None:
    ours.forget_signatures(IN_REGISTRY, release.facts.image_digest)
    with pytest.raises(UnsignedError, match="it has no such signature of this key"):
        verify(release, repository)
    release.push()
    verify(release, repository)


def test_an_image_that_another_key_has_signed_is_refused(
    release: SmallRelease, repository: Repository, tmp_path: Path
) -> None:
    facts, other = release.facts, make_key(tmp_path / "other").public_key()
    with pytest.raises(UnsignedError, match="it has no such signature of this key"):
        other.verify_image(repository, facts.image_digest, annotations=facts.annotations)


def test_a_signature_for_another_version_is_refused(
    release: SmallRelease, repository: Repository
) -> None:
    notes = {**release.facts.annotations, "version": "2"}
    with pytest.raises(UnsignedError, match="it has no such signature of this key"):
        key_of(release).verify_image(repository, release.facts.image_digest, annotations=notes)


def test_a_key_that_was_exchanged_since_the_bundle_is_refused(
    unpushed: SmallRelease, ours: RegistryCase
) -> None:
    make_key(unpushed.settings.signing_home, "second")
    exchanged = replace(unpushed.settings, signing_key="second.key")
    with pytest.raises(ReleaseError, match="oven v1 is signed with the key .* release the version"):
        replace(unpushed, settings=exchanged).push()
    assert ours.tags(in_registry(unpushed)) == set()


def test_a_bundle_with_one_byte_flipped_is_not_pushed(
    unpushed: SmallRelease, ours: RegistryCase
) -> None:
    content = bytearray(unpushed.archive.read_bytes())
    content[content.index(b'"bomFormat"') + 1] ^= 1
    unpushed.archive.write_bytes(content)
    with pytest.raises(BundleError, match=rf"^{SBOM} of oven-v1-.* was changed since"):
        unpushed.push()
    assert ours.tags(in_registry(unpushed)) == set()


def test_a_bundle_of_another_image_is_not_pushed(
    unpushed: SmallRelease, ours: RegistryCase
) -> None:
    other = small_release(unpushed.settings, version=2)
    claimed = other.record.model_copy(update={"facts": unpushed.facts})
    with pytest.raises(
        BundleError, match=r"release\.json of oven-v2-.* is that of another release"
    ):
        replace(other, record=claimed).push()
    assert ours.tags(in_registry(unpushed)) == set()


def in_registry(release: SmallRelease) -> str:
    """The repository of a release, as its registry calls it."""
    return release.settings.repository(MODEL).name.partition("/")[2]
