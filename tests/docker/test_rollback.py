"""On a platform, production and all customers go back to a release that is verified anew."""

import getpass
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.delivery_cases import running_registry
from tests.docker.engine import engine
from tests.docker.platform import PlatformCase
from tests.docker.release_cases import ReleaseCase
from tests.docker.rollback_cases import (
    RollbackCase,
    flipped,
    key_of,
    unsigned,
)

pytestmark = pytest.mark.docker

REASON = '--it\'s "5 %" off'


@pytest.fixture(scope="module")
def released(platform: PlatformCase) -> Iterator[RollbackCase]:
    """Two versions, both released and delivered; the second one is in production."""
    network = f"{platform.settings['PLATFORM_NETWORK']}-registry"
    case = ReleaseCase.create(platform)
    with running_registry(f"--network={network}", "--network-alias=acme.local") as acme:
        customers = Path(platform.settings["CUSTOMERS_FILE"])
        places = {"acme": {"registry": "acme.local:5000"}, "files": {"directory": "files"}}
        listed = [{"name": name, "models": ["iris"], **place} for name, place in places.items()]
        customers.write_text(json.dumps({"customers": listed}))
        first, second = case.add(2)
        try:
            for version in (first, second):
                case.promote(version)
                platform.released(key_of(version))
            yield RollbackCase(case, first, second, acme)
        finally:
            customers.write_text("")
            case.remove_images()


@pytest.fixture(scope="module")
def gone_back(released: RollbackCase) -> RollbackCase:
    """The same, with the first one in production again."""
    where = ("MODEL=iris", f"TO=v{released.first.version}", f"REASON={REASON}")
    assert "is in production again" in released.make("rollback", *where)
    return released


def test_production_goes_back(gone_back: RollbackCase) -> None:
    registry, model = gone_back.platform.registry, gone_back.first.name
    assert registry.require(model, "production").version == gone_back.first.version
    assert registry.require(model, "previous").version == gone_back.second.version


def test_the_channel_of_every_customer_leads_to_the_old_release(gone_back: RollbackCase) -> None:
    digest = gone_back.digest(gone_back.first)
    assert gone_back.acme.digest("iris", "stable") == digest
    place = gone_back.platform.home / "delivery" / "files" / "iris"
    bundle = f"iris-v{gone_back.first.version}-{digest[7:19]}.tar"
    assert (place / "stable").read_text() == f"{bundle}\n"
    assert (place / bundle).is_file()


def test_what_customers_pull_is_the_image_that_was_proved(gone_back: RollbackCase) -> None:
    stable = f"{gone_back.acme.address}/iris:stable"
    engine("pull", "--quiet", stable)
    found = engine("image", "inspect", "--format={{.Id}}", stable)
    (release,) = (
        one
        for one in gone_back.ledger
        if one["event"] == "release" and one["version"] == gone_back.first.version
    )
    assert found == release["image_id"]


def test_the_ledger_tells_it_in_order(gone_back: RollbackCase) -> None:
    def released(version: int) -> list[tuple[str, int]]:
        events = ("promotion", "release", "delivery", "delivery")
        return [(event, version) for event in events]

    first, second = gone_back.first.version, gone_back.second.version
    back = [("rollback", first), ("delivery", first), ("delivery", first)]
    lines = [line for line in gone_back.ledger if line["version"] in {first, second}]
    events = [(line["event"], line["version"]) for line in lines]
    assert events == [*released(first), *released(second), *back]
    (rollback,) = (line for line in lines if line["event"] == "rollback")
    told = {name: rollback[name] for name in ("who", "reason", "from_version")}
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    assert told == {"who": who, "reason": REASON, "from_version": second}
    assert "the ledger is as it was written" in gone_back.make("ledger-verify")


def test_lineage_is_told_both_ways(gone_back: RollbackCase) -> None:
    digest, data = gone_back.digest(gone_back.first), gone_back.first.tags["data_version"]
    from_image = gone_back.make("lineage", f"DIGEST={digest}", "JSON=1")
    assert all(name in from_image for name in (data, gone_back.first.run_id, "acme", "files"))
    from_data = gone_back.make("lineage", f"DATA={data}", "JSON=1")
    assert all(name in from_data for name in (digest, gone_back.digest(gone_back.second), "acme"))


def test_the_sensor_releases_nothing_for_it(gone_back: RollbackCase) -> None:
    gone_back.case.await_sensor()
    for version in (gone_back.first, gone_back.second):
        assert gone_back.case.statuses(version) == ["SUCCESS"]


def test_a_bundle_with_one_byte_flipped_is_refused_and_named(gone_back: RollbackCase) -> None:
    with flipped(gone_back, gone_back.second):
        refusal = gone_back.refusal(gone_back.second)
    assert f"sbom.cdx.json of iris-v{gone_back.second.version}-" in refusal


def test_an_image_that_lost_its_signature_is_refused(gone_back: RollbackCase) -> None:
    with unsigned(gone_back, gone_back.digest(gone_back.second)):
        refusal = gone_back.refusal(gone_back.second)
    assert "it has no such signature of this key" in refusal
