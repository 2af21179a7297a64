"""What of MLflow's records goes into the ledger, and how often."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from ml_assets.resources.promotions import promotion_tag
from ml_assets.resources.version_files import RegisteredVersion
from serving.release.delivery.customers import Customer
from serving.release.ledger.entries import Promotion, Rollback
from serving.release.ledger.ledger import Ledger
from serving.release.recording import Recorder
from serving.release.records import BundleRecord, ReleaseError
from tests.registry_cases import START
from tests.unit.facts_cases import COMMIT, facts
from tests.unit.ledger_cases import digest_of, hex_of

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
        recorder.moves(_version(tags))
        seconds = [(one.when - START).total_seconds() for one in _entries(recorder)]
        assert seconds == [10, 20]

    def test_each_is_noted_once(self, recorder: Recorder) -> None:
        recorder.moves(_version(_promoted(10)))
        recorder.moves(_version(_promoted(10, 20)))
        assert len(_entries(recorder)) == 2

    def test_a_rollback_is_noted_as_one_each_time(self, recorder: Recorder) -> None:
        back = {"rollback": True, "who": "me", "reason": "wrong", "image_digest": digest_of("1")}
        for _ in range(2):
            recorder.moves(_version(_promoted(10) | _promoted(20, 30, **back)))
        found = recorder.ledger.verify().entries
        assert [one.event for one in found] == ["promotion", "rollback", "rollback"]
        seconds = [(one.when - START).total_seconds() for one in found]
        assert seconds == [10, 20, 30]
        assert isinstance(found[1], Rollback)
        assert (found[1].who, found[1].reason) == ("me", "wrong")
        assert found[1].image_digest == digest_of("1")

    def test_it_says_who_why_and_of_what(self, recorder: Recorder) -> None:
        tags = _promoted(10, who="anna@host", reason="- better") | {"git_commit": COMMIT}
        recorder.moves(_version(tags))
        (entry,) = _entries(recorder)
        assert (entry.who, entry.reason) == ("anna@host", "- better")
        assert (entry.data_version, entry.git_commit) == (hex_of("data"), COMMIT)

    def test_a_record_that_names_nobody_is_noted_all_the_same(self, recorder: Recorder) -> None:
        recorder.moves(_version(_promoted(10)))
        assert [one.who for one in _entries(recorder)] == ["unknown"]

    @pytest.mark.parametrize("record", ["{", "[]", "{}", '{"when": "soon", "from_version": null}'])
    def test_what_is_no_record_is_named(self, record: str, recorder: Recorder) -> None:
        tag = promotion_tag(json.dumps({"when": START.isoformat()}))
        with pytest.raises(ReleaseError, match=rf"the tag {tag} of iris v2 is no record"):
            recorder.moves(_version({tag: record}))
        assert _entries(recorder) == []

    def test_a_version_that_was_never_promoted_is_no_entry(self, recorder: Recorder) -> None:
        recorder.moves(_version({}))
        assert _entries(recorder) == []


def test_a_release_and_a_delivery_are_noted_once_each(recorder: Recorder) -> None:
    bundle = BundleRecord(file="iris.tar", image_id="sha256:1", sums=hex_of("s"), facts=facts())
    for _ in range(2):
        recorder.release(bundle)
        recorder.delivery(facts(), ACME, place="registry.example.org/acme/iris:v2")
    events = [one.event for one in recorder.ledger.verify().entries]
    assert events == ["release", "delivery"]


def test_a_release_says_what_the_bundle_says(recorder: Recorder) -> None:
    bundle = BundleRecord(file="iris.tar", image_id="sha256:1", sums=hex_of("s"), facts=facts())
    recorder.release(bundle)
    (entry,) = recorder.ledger.verify().entries
    told = entry.model_dump()
    assert (told["image_digest"], told["image_id"]) == (facts().image_digest, facts().image_id)
    assert told["bundle"] == {"name": "iris.tar", "manifest": hex_of("s")}
    assert told["key"] == {"fingerprint": hex_of("key"), "development": True}
    assert (told["version"], told["who"]) == (2, "run 12345678")
