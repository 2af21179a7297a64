"""Customers get releases, by registry and as files: each for itself, and never a wrong one."""

import json
import os
import shutil
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from serving.release.bundle.archive import unpacked
from serving.release.bundle.signed_files import file_sha256
from serving.release.delivery.delivering import Outcome, deliver
from serving.release.ledger.ledger import Ledger
from serving.release.pushing import unpack_image
from serving.release.registries import Repository
from serving.release.settings import ReleaseSettings
from tests.conftest import ROOT
from tests.docker.delivery_cases import (
    MODEL,
    RegistryCase,
    SmallRelease,
    make_key,
    needs_cosign,
    registry_down,
    remove_small_images,
    running_registry,
    small_release,
    small_settings,
)
from tests.docker.image_cases import BASE
from tests.docker.platform import until

pytestmark = [pytest.mark.docker, needs_cosign]

USER, PASSWORD = "acme", "correct horse"
HTPASSWD = f"{USER}:$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"
RECORDING = """#!/bin/sh
echo "$@" >> {log}
exec {cosign} "$@"
"""
HAND_OVER = """
import sys
from pathlib import Path
from serving.release.bundle.facts import ReleaseFacts
from serving.release.bundle.signed_files import file_sha256
from serving.release.delivery.customers import Customer
from serving.release.delivery.handover import Handover
from serving.release.registries import Repository
from serving.release.signing import PublicKey
from serving.runtime.errors import MLAssetsError

deliveries, *releases = sys.argv[1:]
try:
    for bundle, facts in zip(releases[::2], releases[1::2]):
        Handover(
            facts=ReleaseFacts.model_validate_json(facts),
            bundle=Path(bundle),
            source=Repository("nowhere"),
            key=PublicKey(b""),
            deliveries=Path(deliveries),
        ).to(Customer(name="files", models=["*"], directory="files"))
except MLAssetsError as error:
    print(error, file=sys.stderr)
for path in sorted(Path(deliveries, "files", "oven").glob("*")):
    print(path.name, file_sha256(path))
"""
RELEASE = BASE.replace("ml-assets-serve:", "ml-assets-release:")


@pytest.fixture(scope="module")
def ours() -> Iterator[RegistryCase]:
    """Our own registry."""
    with running_registry() as case:
        yield case
    remove_small_images()


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


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryCase]:
    """A registry that lets in one user."""
    place = tmp_path_factory.mktemp("locked")
    (place / "htpasswd").write_text(HTPASSWD)
    options = (
        "--env=REGISTRY_AUTH=htpasswd",
        "--env=REGISTRY_AUTH_HTPASSWD_REALM=locked",
        "--env=REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd",
        f"--volume={place}:/auth:ro",
    )
    with running_registry(*options) as case:
        yield case


@pytest.fixture(scope="module")
def shelf(
    ours: RegistryCase, tmp_path_factory: pytest.TempPathFactory
) -> tuple[SmallRelease, SmallRelease]:
    """Two versions that are pushed to our registry."""
    settings = small_settings(tmp_path_factory.mktemp("shelf"), registry=f"{ours.address}/shelf")
    first, second = (small_release(settings, version=number) for number in (1, 2))
    first.push()
    second.push()
    return first, second


class Office:
    """Delivers the releases of a shelf to customers of its own, into a ledger of its own."""

    def __init__(self, shelf: tuple[SmallRelease, SmallRelease], home: Path, name: str) -> None:
        """An office without customers yet."""
        self.v1, self.v2 = shelf
        self.home, self.name = home, name
        self.in_registry = f"{name}/{MODEL}"

    @property
    def settings(self) -> ReleaseSettings:
        """The shelf's, with a state directory of its own."""
        customers, deliveries = self.home / "customers.yaml", self.home / "deliveries"
        return replace(
            self.v1.settings, home=self.home, customers_file=customers, deliveries=deliveries
        )

    def serve(self, **customers: RegistryCase | str) -> None:
        """Writes the list of customers, each with a registry or a directory."""
        listed = [
            {"name": name, "models": [MODEL], "registry": f"{place.address}/{self.name}"}
            if isinstance(place, RegistryCase)
            else {"name": name, "models": [MODEL], "directory": place}
            for name, place in customers.items()
        ]
        (self.home / "customers.yaml").write_text(json.dumps({"customers": listed}))

    def deliver(self, release: SmallRelease) -> Outcome:
        """Delivers a release, as the asset `delivery` does."""
        return deliver(release.record, release.files, self.settings, who="a test")

    @property
    def lines(self) -> list[str]:
        """Whom the ledger says was given what, oldest first."""
        entries = [line.entry for line in Ledger.of(self.home).read()]
        return [f"{one.customer} v{one.version}" for one in entries if one.event == "delivery"]

    def files(self, customer: str = "files") -> dict[str, bytes]:
        """What a customer has in their directory, by name; hidden files too."""
        place = self.home / "deliveries" / customer / MODEL
        return {path.name: path.read_bytes() for path in place.iterdir()} if place.exists() else {}


@pytest.fixture
def office(shelf: tuple[SmallRelease, SmallRelease], tmp_path: Path) -> Office:
    """An office of this test's own."""
    return Office(shelf, tmp_path, tmp_path.name.replace("_", "-"))


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
        assert office.lines == ["acme v1", "globex v1", "files v1"]
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
        assert office.lines == ["acme v1", "files v1", "acme v2", "files v2", "acme v1", "files v1"]

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
        assert deliver(first.record, first.files, settings, who="a test").failures == {}
        signer = make_key(settings.signing_home, f"second-{office.name}")
        renewed = replace(settings, signing_key=Path(signer.key).name)
        second = small_release(renewed)
        second.push()
        assert second.facts.image_digest == first.facts.image_digest
        assert deliver(second.record, second.files, renewed, who="a test").failures == {}
        assert acme.signatures(office.in_registry, first.facts.image_digest) == 2


class TestPassword:
    """A registry that asks for a password."""

    @pytest.fixture
    def log_in(
        self, office: Office, locked: RegistryCase, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[str], None]:
        """Writes credentials where `docker login` does."""
        office.serve(locked=locked)
        place = office.home / "registry-auth"
        place.mkdir()
        monkeypatch.setenv("DOCKER_CONFIG", str(place))

        def log_in(password: str) -> None:
            auths = {locked.address: {"auth": encoded(password)}}
            (place / "config.json").write_text(json.dumps({"auths": auths}))

        return log_in

    @pytest.fixture
    def arguments(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A file with the arguments of every cosign that runs, which `ps` would show."""
        log, wrapper = tmp_path / "arguments", tmp_path / "bin" / "cosign"
        wrapper.parent.mkdir()
        wrapper.write_text(RECORDING.format(log=log, cosign=shutil.which("cosign")))
        wrapper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
        return log

    def test_credentials_come_from_docker_config(
        self, office: Office, locked: RegistryCase, log_in: Callable[[str], None]
    ) -> None:
        log_in(PASSWORD)
        assert [*office.deliver(office.v1).places] == ["locked"]

    def test_none_are_a_clear_error(self, office: Office, log_in: Callable[[str], None]) -> None:
        complaint = office.deliver(office.v1).complaint
        assert "the registry does not let you in; its credentials belong into" in complaint

    def test_wrong_ones_are_a_clear_error(
        self, office: Office, log_in: Callable[[str], None]
    ) -> None:
        log_in("wrong horse")
        complaint = office.deliver(office.v1).complaint
        assert "the registry does not let you in; its credentials belong into" in complaint

    @pytest.mark.parametrize("password", [PASSWORD, "wrong horse"])
    def test_no_secret_is_told(
        self,
        office: Office,
        log_in: Callable[[str], None],
        arguments: Path,
        caplog: pytest.LogCaptureFixture,
        password: str,
    ) -> None:
        log_in(password)
        with caplog.at_level("DEBUG"):
            outcome = office.deliver(office.v1)
        told = "\n".join([str(outcome), outcome.complaint, caplog.text, arguments.read_text()])
        assert "/oven" in arguments.read_text()
        assert password not in told
        assert encoded(password) not in told


class TestInterrupted:
    """What can't be written whole is not there, and what was there before is whole."""

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ("size=8k,uid=1000", "no space left to write /deliveries/files/oven/oven-v1"),
            ("size=1m,mode=755", "/deliveries/files/oven can't be written: Permission denied"),
        ],
        ids=["full", "not writable"],
    )
    def test_a_directory_that_cannot_be_written_is_told(
        self, office: Office, options: str, reason: str
    ) -> None:
        ended = in_container(options, office.v1)
        assert reason in ended.stderr
        assert ended.stdout == ""

    def test_a_full_directory_keeps_the_bundle_before(self, office: Office) -> None:
        pages = office.v1.archive.stat().st_size * 3 // 2 // 4096
        ended = in_container(f"size={pages * 4}k,uid=1000", office.v1, office.v2)
        assert "no space left to write /deliveries/files/oven/oven-v2" in ended.stderr
        name = office.v1.archive.name
        channel = sha256(f"{name}\n".encode()).hexdigest()
        assert dict(line.split() for line in ended.stdout.splitlines()) == {
            name: file_sha256(office.v1.archive),
            "stable": channel,
        }

    def test_a_killed_writer_leaves_nothing_that_looks_finished(
        self, office: Office, tmp_path: Path
    ) -> None:
        office.serve(files="files")
        kill_in_the_middle(office, scratch=tmp_path)
        (left,) = office.files()
        assert left.startswith(".")
        assert left.endswith("~")
        assert office.deliver(office.v1).failures == {}
        name, whole = office.v1.archive.name, office.v1.archive.read_bytes()
        assert office.files() == {name: whole, "stable": f"{name}\n".encode()}


def encoded(password: str) -> str:
    """Credentials as Docker's configuration holds them."""
    return b64encode(f"{USER}:{password}".encode()).decode()


def retag(repository: Repository, tag: str, *, image_of: SmallRelease, scratch: Path) -> None:
    """Gives a tag to the image of a release."""
    with unpacked(image_of.archive, scratch=scratch) as bundle:
        layout = unpack_image(bundle, scratch / "layout", image_of.facts)
        repository.push(layout, tag)


def in_container(disk: str, *releases: SmallRelease) -> subprocess.CompletedProcess[str]:
    """Delivers to a directory on a disk in memory, as the user of the release."""
    paths = {release: f"/bundles/{release.archive.name}" for release in releases}
    for release in releases:
        release.archive.chmod(0o644)  # the container has another user
    mounts = {
        ROOT / "serving": "/app/serving",
        ROOT / "ml_assets": "/app/ml_assets",
        **{release.archive: path for release, path in paths.items()},
    }
    volumes = [f"--volume={here}:{there}:ro" for here, there in mounts.items()]
    options = ("--rm", "--network=none", f"--tmpfs=/deliveries:{disk}", *volumes)
    command = ["docker", "run", *options, RELEASE, "python", "-c", HAND_OVER, "/deliveries"]
    for release, path in paths.items():
        command += [path, release.facts.model_dump_json()]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def kill_in_the_middle(office: Office, *, scratch: Path) -> None:
    """Kills a process that delivers a bundle to a directory of which it has a part."""
    pipe = scratch / office.v1.archive.name
    os.mkfifo(pipe)
    facts = office.v1.facts.model_dump_json()
    command = [sys.executable, "-c", HAND_OVER, str(office.settings.deliveries), str(pipe), facts]
    with subprocess.Popen(command, cwd=ROOT) as process, pipe.open("wb") as half:
        half.write(bytes(1 << 20))
        half.flush()
        until(lambda: any(office.files().values()), seconds=30, what="half a bundle")
        process.send_signal(signal.SIGKILL)
        process.wait()
