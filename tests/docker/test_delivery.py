"""Customers get releases, by registry and as files: each for itself."""

from dataclasses import replace
from pathlib import Path

import pytest

from serving.release.delivery.delivering import Outcome, deliver
from serving.release.recording import Recorder
from serving.release.registries import Repository
from serving.release.settings import ReleaseSettings
from tests.docker.cosign_cases import make_key, needs_cosign
from tests.docker.delivery_cases import RegistryCase
from tests.docker.office import Office
from tests.docker.small_releases import MODEL, SmallRelease, small_release

pytestmark = [pytest.mark.docker, needs_cosign]


class TestEveryCustomer:
    """Two registries and a directory get the same release."""

    @pytest.fixture
    def outcome(self, office: Office, acme: RegistryCase, globex: RegistryCase) -> Outcome:
        office.serve(acme=acme, globex=globex, files="files")
        return office.deliver(office.v1)

    def test_all_get_it_and_are_told_where(
        self, office: Office, acme: RegistryCase, globex: RegistryCase, outcome: Outcome
    ) -> None:
        assert outcome.failures == {}
        tag = office.v1.tag
        assert outcome.places == {
            "acme": f"{acme.address}/{office.in_registry}:{tag}",
            "globex": f"{globex.address}/{office.in_registry}:{tag}",
            "files": f"files/{MODEL}/{MODEL}-{tag}.tar",
        }
        assert office.lines == ["acme v1", "files v1", "globex v1"]
        for customer in (acme, globex):
            assert customer.tags(office.in_registry) == {tag, "stable"}
            found = {customer.digest(office.in_registry, name) for name in (tag, "stable")}
            assert found == {office.v1.facts.image_digest}
        name = office.v1.archive.name
        whole = office.v1.archive.read_bytes()
        assert office.files() == {name: whole, "stable": f"{name}\n".encode()}

    def test_signature_and_attestations_come_along(
        self, office: Office, acme: RegistryCase, outcome: Outcome
    ) -> None:
        facts = office.v1.facts
        assert acme.signatures(office.in_registry, facts.image_digest, kind="att") == 2
        key = office.settings.require_signer().public_key()
        there = Repository(f"{acme.address}/{office.in_registry}")
        key.verify_image(there, facts.image_digest, annotations=facts.annotations)

    def test_again_nothing_is_pushed_or_written(
        self, office: Office, acme: RegistryCase, globex: RegistryCase, outcome: Outcome
    ) -> None:
        def state() -> object:
            place = office.home / "deliveries" / "files" / MODEL
            times = {path.name: path.stat().st_mtime_ns for path in place.iterdir()}
            return acme.writes(), globex.writes(), times, office.lines

        before = state()
        assert office.deliver(office.v1) == outcome
        assert state() == before


class TestChannel:
    """The channel leads to what is current."""

    def test_it_follows_to_a_newer_release_and_back(
        self, office: Office, acme: RegistryCase
    ) -> None:
        office.serve(acme=acme, files="files")
        for release in (office.v1, office.v2, office.v1):
            assert office.deliver(release).failures == {}
            assert acme.digest(office.in_registry, "stable") == release.facts.image_digest
            assert office.files()["stable"] == f"{release.archive.name}\n".encode()
        assert acme.tags(office.in_registry) == {office.v1.tag, office.v2.tag, "stable"}
        assert office.lines == [*2 * ["acme v1"], "acme v2", *2 * ["files v1"], "files v2"]

    def test_signatures_that_the_customer_adds_stay(
        self, office: Office, acme: RegistryCase, tmp_path: Path
    ) -> None:
        office.serve(acme=acme)
        office.deliver(office.v1)
        there = Repository(f"{acme.address}/{office.in_registry}")
        digest = office.v1.facts.image_digest
        make_key(tmp_path / "theirs").sign_image(there, digest, annotations={})
        office.deliver(office.v2)
        office.deliver(office.v1)
        assert acme.signatures(office.in_registry, digest) == 2

    def test_what_is_signed_with_a_new_key_is_delivered_anew(
        self, office: Office, ours: RegistryCase, acme: RegistryCase
    ) -> None:
        office.serve(acme=acme)
        settings = replace(office.settings, registry_address=f"{ours.address}/{office.name}")
        first = small_release(settings)
        first.push()
        assert _deliver(first, settings).failures == {}
        signer = make_key(settings.signing_home, f"second-{office.name}")
        renewed = replace(settings, signing_key=Path(signer.key).name)
        second = small_release(renewed)
        second.push()
        assert second.facts.image_digest == first.facts.image_digest
        assert _deliver(second, renewed).failures == {}
        assert acme.signatures(office.in_registry, first.facts.image_digest) == 2


def _deliver(release: SmallRelease, settings: ReleaseSettings) -> Outcome:
    """Delivers what was released, with settings of its own."""
    Recorder.of(settings, who="a test").release(release.record)
    return deliver(release.record, release.files, settings, who="a test", is_live=lambda: True)
