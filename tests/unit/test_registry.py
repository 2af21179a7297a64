"""Promotions, withdrawals and releases as a real registry of MLflow keeps them."""

from datetime import UTC, datetime, timedelta

import pytest
from mlflow.utils.validation import MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH

from ml_assets.resources.promotions import AliasChange, version_before
from ml_assets.resources.registry import ModelRegistry
from tests.registry_cases import START, Shelf


@pytest.fixture
def shelf(registry: ModelRegistry) -> Shelf:
    return Shelf(registry)


def _change(number: int, version: int, before: int | None, *, refused: bool = False) -> AliasChange:
    return AliasChange(version, START + timedelta(seconds=number), before, refused)


def test_a_version_knows_when_it_was_registered(registry: ModelRegistry) -> None:
    before = datetime.now(UTC)
    shelf = Shelf(registry, versions=1)
    created = shelf.version(1).created
    assert before - timedelta(milliseconds=1) < created <= datetime.now(UTC)
    shelf.promote(1)
    assert registry.require(shelf.name, "production").created == created


class TestPromotions:
    """The tags that every promotion leaves."""

    def test_each_promotion_has_a_tag_with_its_time(self, shelf: Shelf) -> None:
        record = shelf.record(1)
        shelf.registry.promote(shelf.version(1), previous=None, record=record)
        tags = shelf.version(1).tags
        assert tags["promoted.20260102T030405.123456Z"] == tags["promotion"] == record

    def test_the_same_promotion_again_adds_no_tag(self, shelf: Shelf) -> None:
        record = shelf.record(1)
        for _ in range(2):
            shelf.registry.promote(shelf.version(1), previous=None, record=record)
        assert len(shelf.registry.promotions(shelf.name)) == 1

    def test_they_are_told_oldest_first_however_often_a_version_comes_back(
        self, shelf: Shelf
    ) -> None:
        shelf.promote(2, 1, 2)
        assert shelf.registry.promotions(shelf.name) == [
            _change(0, 2, None),
            _change(1, 1, 2),
            _change(2, 2, 1),
        ]

    def test_a_rollback_is_told_as_one(self, shelf: Shelf) -> None:
        shelf.promote(1, 2)
        shelf.roll_back(1)
        found = shelf.registry.promotions(shelf.name)
        assert [(one.version, one.rollback) for one in found] == [
            (1, False),
            (2, False),
            (1, True),
        ]

    def test_those_of_another_model_are_not_among_them(self, shelf: Shelf) -> None:
        Shelf(shelf.registry, "fan").promote(1)
        assert shelf.registry.promotions(shelf.name) == []

    def test_time_in_another_zone_is_kept_in_utc(self, shelf: Shelf) -> None:
        record = '{"from_version": null, "when": "2026-01-02T05:04:05+02:00"}'
        shelf.registry.promote(shelf.version(1), previous=None, record=record)
        (change,) = shelf.registry.promotions(shelf.name)
        assert change.when == START.replace(microsecond=0)


class TestModels:
    """All registered models."""

    def test_each_comes_with_its_version_in_production(self, shelf: Shelf) -> None:
        Shelf(shelf.registry, "fan").promote(3)
        assert shelf.registry.models() == {"fan": 3, "oven": None}

    def test_there_may_be_more_than_a_page_of_them(self, registry: ModelRegistry) -> None:
        names = [f"model_{number:03}" for number in range(101)]
        with registry._opened() as client:
            for name in names:
                client.create_registered_model(name)
        assert list(registry.models()) == names


class TestWithdraw:
    """A version that must not be released."""

    def test_production_goes_back_to_the_version_before(self, shelf: Shelf) -> None:
        shelf.promote(1, 2, 3)
        assert shelf.registry.withdraw(shelf.version(3), reason="wrong") == 2
        assert (shelf.live, shelf.points_at("previous")) == (2, 1)

    def test_the_first_version_leaves_production_empty(self, shelf: Shelf) -> None:
        shelf.promote(1)
        assert shelf.registry.withdraw(shelf.version(1), reason="wrong") is None
        assert (shelf.live, shelf.points_at("previous")) == (None, None)

    def test_production_that_has_moved_on_stays(self, shelf: Shelf) -> None:
        shelf.promote(1, 2, 3)
        assert shelf.registry.withdraw(shelf.version(2), reason="wrong") == 3
        assert (shelf.live, shelf.points_at("previous")) == (3, 2)

    def test_production_that_was_deleted_stays_empty(self, shelf: Shelf) -> None:
        shelf.promote(1, 2)
        shelf.hand_move(None)
        assert shelf.registry.withdraw(shelf.version(2), reason="wrong") is None
        assert shelf.live is None

    def test_refused_versions_are_passed_over_on_the_way_back(self, shelf: Shelf) -> None:
        shelf.promote(1, 2, 3)
        shelf.registry.withdraw(shelf.version(2), reason="wrong")
        assert shelf.registry.withdraw(shelf.version(3), reason="wrong") == 1

    def test_a_second_time_moves_nothing(self, shelf: Shelf) -> None:
        shelf.promote(1, 2, 3)
        for _ in range(2):
            assert shelf.registry.withdraw(shelf.version(3), reason="wrong") == 2
        assert shelf.points_at("previous") == 1

    def test_the_reason_is_a_tag_of_the_length_that_mlflow_takes(self, shelf: Shelf) -> None:
        reason = "x" * MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH
        shelf.registry.withdraw(shelf.version(1), reason=f"{reason}y")
        assert shelf.version(1).tags["release_refused"] == reason


class TestVersionBefore:
    """The version to go back to."""

    def test_a_version_that_came_by_hand_came_after_the_newest_promotion(self) -> None:
        assert version_before(9, [_change(0, 1, None), _change(1, 2, 1)]) == 2

    def test_a_version_that_came_back_goes_to_the_one_before_its_last_promotion(self) -> None:
        promotions = [_change(0, 1, None), _change(1, 2, 1), _change(2, 3, 2), _change(3, 2, 3)]
        assert version_before(2, promotions) == 3

    def test_a_promotion_onto_itself_is_no_step_back(self) -> None:
        assert version_before(2, [_change(0, 1, None), _change(1, 2, 1), _change(2, 2, 2)]) == 1

    def test_there_is_none_if_all_were_refused(self) -> None:
        promotions = [_change(0, 1, None, refused=True), _change(1, 2, 1, refused=True)]
        assert version_before(2, promotions) is None

    def test_there_is_none_without_promotions(self) -> None:
        assert version_before(1, []) is None


class TestRelease:
    """A version that was released."""

    def test_its_tags_say_as_which_image(self, shelf: Shelf) -> None:
        shelf.registry.record_release(shelf.version(1), image="registry/oven:v1", digest="sha256:1")
        tags = shelf.version(1).tags
        assert (tags["image"], tags["image_digest"]) == ("registry/oven:v1", "sha256:1")

    def test_an_earlier_refusal_is_void(self, shelf: Shelf) -> None:
        shelf.registry.withdraw(shelf.version(1), reason="wrong")
        shelf.registry.record_release(shelf.version(1), image="registry/oven:v1", digest="sha256:1")
        assert "release_refused" not in shelf.version(1).tags
