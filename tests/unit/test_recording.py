"""What of MLflow's records goes into the ledger, and how often."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from ml_assets.resources.promotions import promotion_tag
from ml_assets.resources.version_files import RegisteredVersion
from serving.release.delivery.customers import Customer
from serving.release.ledger.entries import Promotion
from serving.release.ledger.ledger import Ledger
from serving.release.recording import Recorder
from serving.release.records import BundleRecord
from tests.registry_cases import START
from tests.unit.facts_cases import COMMIT, facts
from tests.unit.ledger_cases import hex_of

ACME = Customer(name="acme", models=["iris"], registry="registry.example.org/acme")


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(Ledger.of(tmp_path), who="run 12345678")


def _promoted(*seconds: float, **more: object) -> dict[str, str]:
    """The tags of promotions at some seconds after the start, with more in each record."""
    records = [
        json.dumps(
            {"from_version": None, "when": (START + timedelta(seconds=one)).isoformat(), **more}
        )
        for one in seconds
    ]
    return {promotion_tag(one): one for one in records}


def _version(tags: Mapping[str, str]) -> RegisteredVersion:
    return RegisteredVersion("iris", 2, 32 * "a", START, {"data_version": hex_of("data"), **tags})


def _entries(recorder: Recorder) -> list[Promotion]:
    found = recorder.ledger.verify().entries
    return [one for one in found if isinstance(one, Promotion)]


class TestPromotions:
    """A version's promotions, as MLflow tells them."""

    def test_each_is_noted_in_the_order_of_time(self, recorder: Recorder) -> None:
        tags = _promoted(20) | _promoted(10)
        recorder.promotions(_version(tags))
        seconds = [(one.when - START).total_seconds() for one in _entries(recorder)]
        assert seconds == [10, 20]

    def test_each_is_noted_once(self, recorder: Recorder) -> None:
        recorder.promotions(_version(_promoted(10)))
        recorder.promotions(_version(_promoted(10, 20)))
        assert len(_entries(recorder)) == 2

    def test_a_rollback_is_left_out(self, recorder: Recorder) -> None:
        recorder.promotions(_version(_promoted(10) | _promoted(20, rollback=True)))
        assert [one.when for one in _entries(recorder)] == [START + timedelta(seconds=10)]

    def test_it_says_who_why_and_of_what(self, recorder: Recorder) -> None:
        tags = _promoted(10, who="anna@host", reason="- better") | {"git_commit": COMMIT}
        recorder.promotions(_version(tags))
        (entry,) = _entries(recorder)
        assert (entry.who, entry.reason) == ("anna@host", "- better")
        assert (entry.data_version, entry.git_commit) == (hex_of("data"), COMMIT)

    def test_a_record_that_names_nobody_is_noted_all_the_same(self, recorder: Recorder) -> None:
        recorder.promotions(_version(_promoted(10)))
        assert [one.who for one in _entries(recorder)] == ["unknown"]

    def test_a_version_that_was_never_promoted_is_no_entry(self, recorder: Recorder) -> None:
        recorder.promotions(_version({}))
        assert _entries(recorder) == []


def test_a_release_a_delivery_and_a_rollback_are_noted_once_each(recorder: Recorder) -> None:
    bundle = BundleRecord(file="iris.tar", image_id="sha256:1", sums=hex_of("s"), facts=facts())
    for _ in range(2):
        recorder.release(bundle)
        recorder.delivery(facts(), ACME, place="registry.example.org/acme/iris:v2")
        recorder.rollback(facts(), from_version=3, reason="wrong")
    events = [one.event for one in recorder.ledger.verify().entries]
    assert events == ["release", "delivery", "rollback"]


def test_a_release_says_what_the_bundle_says(recorder: Recorder) -> None:
    bundle = BundleRecord(file="iris.tar", image_id="sha256:1", sums=hex_of("s"), facts=facts())
    recorder.release(bundle)
    (entry,) = recorder.ledger.verify().entries
    told = entry.model_dump()
    assert (told["image_digest"], told["image_id"]) == (facts().image_digest, facts().image_id)
    assert told["bundle"] == {"name": "iris.tar", "manifest": hex_of("s")}
    assert told["key"] == {"fingerprint": hex_of("key"), "development": True}
    assert (told["version"], told["who"]) == (2, "run 12345678")
