"""A delivery that meets trouble: nobody is held up by it, and nobody gets what is wrong."""

from pathlib import Path

import pytest

from serving.release import registries
from serving.release.bundle.archive import unpacked
from serving.release.bundle.signed_files import BundleError
from serving.release.delivery.delivering import deliver
from serving.release.pushing import unpack_image
from serving.release.recording import Recorder
from serving.release.records import ReleaseError
from serving.release.registries import Repository
from tests.docker.cosign_cases import needs_cosign
from tests.docker.delivery_cases import RegistryCase, registry_down, registry_paused
from tests.docker.office import Office
from tests.docker.small_releases import MODEL, SmallRelease

pytestmark = [pytest.mark.docker, needs_cosign]


class TestTrouble:
    """One customer's trouble is theirs alone."""

    def test_a_registry_that_is_down_holds_nobody_up_and_gets_it_later(
        self, office: Office, acme: RegistryCase, globex: RegistryCase
    ) -> None:
        office.serve(globex=globex, acme=acme, files="files")
        with registry_down(globex):
            outcome = office.deliver(office.v1)
        assert [*outcome.places] == ["acme", "files"]
        assert "- globex: cosign " in outcome.complaint
        assert "registry or the key service is out of reach" in outcome.complaint
        assert office.lines == ["acme v1", "files v1"]
        before = acme.writes()
        assert office.deliver(office.v1).failures == {}
        assert acme.writes() == before
        assert office.lines == ["acme v1", "files v1", "globex v1"]

    def test_a_registry_that_does_not_answer_holds_nobody_up(
        self,
        office: Office,
        acme: RegistryCase,
        globex: RegistryCase,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(registries, "QUESTION_SECONDS", 3)
        office.serve(globex=globex, acme=acme)
        with registry_paused(globex):
            outcome = office.deliver(office.v1)
        assert [*outcome.places] == ["acme"]
        assert "- globex: cosign triangulate " in outcome.complaint
        assert "has not ended after 3 s; look at the registry" in outcome.complaint

    def test_a_tag_that_was_given_to_another_image_is_refused_and_named(
        self, office: Office, acme: RegistryCase, tmp_path: Path
    ) -> None:
        office.serve(acme=acme, files="files")
        there = Repository(f"{acme.address}/{office.in_registry}")
        retag(there, office.v1.tag, image_of=office.v2, scratch=tmp_path)
        outcome = office.deliver(office.v1)
        assert [*outcome.places] == ["files"]
        assert f"{there.tagged(office.v1.tag)} is another image, sha256:" in outcome.complaint
        assert acme.tags(office.in_registry) == {office.v1.tag}
        assert acme.digest(office.in_registry, office.v1.tag) == office.v2.facts.image_digest

    def test_a_bundle_of_another_image_under_its_name_is_refused_and_named(
        self, office: Office
    ) -> None:
        office.serve(files="files")
        office.deliver(office.v2)
        place = office.home / "deliveries" / "files" / MODEL
        (place / office.v2.archive.name).rename(place / office.v1.archive.name)
        outcome = office.deliver(office.v1)
        assert f"{office.v1.archive.name} is the bundle of another image" in outcome.complaint
        assert office.files()["stable"] == f"{office.v2.archive.name}\n".encode()

    def test_a_bundle_that_was_damaged_there_is_written_again(self, office: Office) -> None:
        office.serve(files="files")
        office.deliver(office.v1)
        place = office.home / "deliveries" / "files" / MODEL / office.v1.archive.name
        place.write_bytes(place.read_bytes()[:2000])
        assert office.deliver(office.v1).failures == {}
        assert place.read_bytes() == office.v1.archive.read_bytes()

    def test_an_image_that_is_not_signed_in_our_registry_is_not_delivered(
        self, office: Office, ours: RegistryCase, acme: RegistryCase
    ) -> None:
        office.serve(acme=acme)
        ours.forget_signatures(f"shelf/{MODEL}", office.v1.facts.image_digest)
        try:
            outcome = office.deliver(office.v1)
        finally:
            office.v1.push()
        assert "- acme: cosign verify " in outcome.complaint
        assert "it has no such signature of this key" in outcome.complaint
        assert acme.tags(office.in_registry) == set()


class TestBundle:
    """Only what was released last, and is whole, is handed on."""

    def test_one_that_was_changed_is_given_to_nobody(self, office: Office, tmp_path: Path) -> None:
        office.serve(files="files")
        archive = office.v1.archive
        whole = archive.read_bytes()
        at = whole.index(b'"CycloneDX"')
        try:
            archive.write_bytes(whole[:at] + b"?" + whole[at + 1 :])
            with pytest.raises(BundleError, match=r"sbom\.cdx\.json of "):
                office.deliver(office.v1)
        finally:
            archive.write_bytes(whole)
        assert office.files() == {}
        assert office.lines == []

    def test_one_that_was_never_released_is_given_to_nobody(self, office: Office) -> None:
        office.serve(files="files")
        with pytest.raises(ReleaseError, match="is not what the ledger says was released last"):
            deliver(
                office.v1.record,
                office.v1.files,
                office.settings,
                who="a test",
                is_live=lambda: True,
            )
        assert office.files() == {}


def test_customers_who_are_not_served_yet_do_not_get_what_was_overtaken(office: Office) -> None:
    office.serve(files="files", more="more")
    Recorder.of(office.settings, who="a test").release(office.v1.record)
    looks = iter([True, False])
    outcome = deliver(
        office.v1.record,
        office.v1.files,
        office.settings,
        who="a test",
        is_live=lambda: next(looks),
    )
    assert len(outcome.places) == len(outcome.overtaken) == 1
    assert {*outcome.places, *outcome.overtaken} == {"files", "more"}


def retag(repository: Repository, tag: str, *, image_of: SmallRelease, scratch: Path) -> None:
    """Gives a tag to the image of a release."""
    with unpacked(image_of.archive, scratch=scratch) as bundle:
        layout = unpack_image(bundle, scratch / "layout", image_of.facts)
        repository.push(layout, tag)
