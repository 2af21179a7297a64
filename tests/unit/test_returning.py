"""A rollback moves the aliases once, wherever it is stopped and however often it is tried."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ml_assets.resources.registry import ModelRegistry
from serving.release.records import ReleaseError
from serving.release.returning import Return
from tests.registry_cases import Shelf
from tests.unit.ledger_cases import digest_of

NOW = datetime.now(UTC)


@pytest.fixture
def shelf(registry: ModelRegistry) -> Shelf:
    """Three versions, of which the third is in production after the second."""
    shelf = Shelf(registry)
    shelf.promote(2, 3)
    return shelf


def _go_back(shelf: Shelf, number: int, *, run: str = "run 1") -> None:
    going = Return(shelf.registry, "me@here", "wrong on Mondays", run)
    going.back_to(shelf.version(number), image_digest=digest_of(str(number)))


def _aliases(shelf: Shelf) -> tuple[int | None, int | None]:
    return shelf.points_at("production"), shelf.points_at("previous")


def _promote_now(shelf: Shelf, number: int) -> None:
    """Promotes a version after all that happened before."""
    record = {"from_version": shelf.live, "when": (NOW + timedelta(days=1)).isoformat()}
    shelf.registry.promote(shelf.version(number), previous=shelf.live, record=json.dumps(record))


def test_production_goes_back_and_the_record_says_who_and_why(shelf: Shelf) -> None:
    _go_back(shelf, 2)
    assert _aliases(shelf) == (2, 3)
    record = json.loads(shelf.version(2).tags["promotion"])
    told = {name: record[name] for name in ("who", "reason", "from_version", "image_digest")}
    assert told == {
        "who": "me@here",
        "reason": "wrong on Mondays",
        "from_version": 3,
        "image_digest": digest_of("2"),
    }


def test_tried_again_it_is_the_same_rollback(shelf: Shelf) -> None:
    for _ in range(2):
        _go_back(shelf, 2)
    assert [one.rollback for one in shelf.registry.promotions(shelf.name)] == [False, False, True]


@pytest.mark.parametrize("run", ["run 1", "another run"])
def test_stopped_between_the_two_aliases_it_is_finished(shelf: Shelf, run: str) -> None:
    _go_back(shelf, 2)
    shelf.registry.set_alias(shelf.version(2), "previous")
    _go_back(shelf, 2, run=run)
    assert _aliases(shelf) == (2, 3)


def test_stopped_before_the_first_alias_it_is_finished(shelf: Shelf) -> None:
    _go_back(shelf, 2)
    shelf.hand_move(3)
    _go_back(shelf, 2)
    assert _aliases(shelf) == (2, 3)
    assert len(shelf.registry.promotions(shelf.name)) == 3


def test_a_later_promotion_is_not_undone_by_another_attempt(shelf: Shelf) -> None:
    _go_back(shelf, 2)
    _promote_now(shelf, 1)
    with pytest.raises(ReleaseError, match="something else was promoted since"):
        _go_back(shelf, 2)
    assert _aliases(shelf) == (1, 2)


def test_a_new_rollback_after_a_move_by_hand_is_another_one(shelf: Shelf) -> None:
    _go_back(shelf, 2)
    shelf.hand_move(3)
    _go_back(shelf, 2, run="run 2")
    assert len(shelf.registry.promotions(shelf.name)) == 4


def test_there_is_no_return_to_what_was_promoted_last(shelf: Shelf) -> None:
    with pytest.raises(ReleaseError, match="oven v3 is in production already; make deliver"):
        _go_back(shelf, 3)
