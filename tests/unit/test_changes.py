"""Which changes of the alias `production` are released."""

from dataclasses import replace

from ml_assets.resources.promotions import AliasChange
from ml_assets.resources.registry import ModelRegistry
from serving.release.changes import Change, Cursor, Production, look, new_changes
from tests.registry_cases import Shelf
from tests.unit.alias_cases import Alias, promoted


class TestPromotions:
    """Changes that left a record."""

    def test_each_promotion_is_a_change_even_between_two_looks(self) -> None:
        alias = promoted(1, 2, 1)
        assert [change.version for change in alias.tick()] == [1, 2, 1]

    def test_the_key_is_the_time_of_the_promotion(self) -> None:
        assert promoted(7).tick() == [Change("oven", 7, "20260102T030406.123456Z")]

    def test_what_was_seen_is_not_new(self) -> None:
        alias = promoted(1, 2)
        alias.tick()
        assert alias.tick() == []

    def test_the_same_version_again_is_no_change(self) -> None:
        alias = promoted(1)
        alias.tick()
        alias.promote(1)
        assert alias.tick() == []

    def test_a_promotion_that_was_stopped_counts_once_the_alias_has_moved(self) -> None:
        alias = promoted(1)
        alias.promote(2, moves=False)
        alias.tick()
        assert alias.released == [1]
        alias.move(2)
        assert alias.tick() == [Change("oven", 2, "20260102T030407.123456Z")]

    def test_a_promotion_that_was_stopped_and_made_again_counts_once(self) -> None:
        alias = promoted(1)
        alias.promote(2, moves=False)
        alias.promote(2)
        alias.tick()
        assert alias.released == [1, 2]


class TestRollbacks:
    """A version that came back was released before; whoever takes it back delivers it too."""

    def test_one_is_no_change(self) -> None:
        alias = promoted(1, 2)
        alias.tick()
        alias.promote(1, rollback=True)
        assert alias.tick() == []

    def test_a_promotion_on_either_side_of_it_is_a_change(self) -> None:
        alias = promoted(1, 2)
        alias.promote(1, rollback=True)
        alias.promote(3)
        alias.tick()
        assert alias.released == [1, 2, 3]

    def test_a_move_by_hand_after_it_is_a_change(self) -> None:
        alias = promoted(1, 2)
        alias.promote(1, rollback=True)
        alias.tick()
        alias.move(3)
        assert [change.version for change in alias.tick()] == [3]

    def test_the_same_version_by_hand_later_is_a_change(self) -> None:
        alias = promoted(1, 2)
        alias.promote(1, rollback=True)
        alias.tick()
        for version in (2, 1):
            alias.move(version)
            alias.tick()
        assert alias.released[2:] == [2, 1]

    def test_one_that_was_stopped_half_way_hides_no_promotion(self) -> None:
        alias = promoted(1, 2)
        alias.promote(1, moves=False, rollback=True)
        alias.promote(3)
        alias.tick()
        assert alias.released == [1, 2, 3]

    def test_it_is_one_of_its_own_model_alone(self) -> None:
        alias = promoted(1)
        other = Production("fan", 1, [replace(alias.model.promotions[0], rollback=True)])
        changes, _ = new_changes(Cursor(), [alias.model, other])
        assert [change.model for change in changes] == ["oven"]


class TestMovesByHand:
    """Changes without a record."""

    def test_each_is_a_change_with_a_key_that_counts_from_the_last_promotion(self) -> None:
        alias = promoted(1)
        alias.tick()
        for version in (2, 1, 2):
            alias.move(version)
            alias.tick()
        assert alias.released == [1, 2, 1, 2]
        assert [change.key[-2:] for change in alias.found] == ["6Z", "+1", "+2", "+3"]

    def test_an_alias_that_no_promotion_set_is_a_change(self) -> None:
        alias = Alias()
        alias.move(3)
        assert alias.tick() == [Change("oven", 3, "start+1")]

    def test_a_deleted_alias_is_none(self) -> None:
        alias = promoted(1)
        alias.tick()
        alias.move(None)
        assert alias.tick() == []

    def test_an_alias_that_is_back_after_it_was_deleted_is_a_change(self) -> None:
        alias = promoted(1)
        alias.tick()
        for version in (None, 1):
            alias.move(version)
            alias.tick()
        assert alias.released == [1, 1]


def test_a_model_that_the_registry_does_not_show_is_remembered() -> None:
    alias = promoted(1)
    alias.tick()
    assert new_changes(alias.cursor, []) == ([], alias.cursor)


class TestLook:
    """What is read of a real registry."""

    def test_it_holds_alias_and_promotions_of_each_model(self, registry: ModelRegistry) -> None:
        Shelf(registry, "fan")
        shelf = Shelf(registry, "oven")
        shelf.promote(1, 2)
        shelf.hand_move(3)
        fan, oven = look(registry)
        assert (fan.model, fan.version, fan.promotions) == ("fan", None, [])
        assert (oven.model, oven.version) == ("oven", 3)
        assert [one.version for one in oven.promotions] == [1, 2]

    def test_a_model_of_others_is_left_alone(self, registry: ModelRegistry) -> None:
        Shelf(registry, "Another model...")
        assert look(registry) == []

    def test_an_alias_that_moves_meanwhile_is_left_for_the_next_look(
        self, registry: ModelRegistry
    ) -> None:
        shelf = Shelf(registry)
        shelf.promote(1)

        class Busy(ModelRegistry):
            def promotions(self, name: str) -> list[AliasChange]:
                found = super().promotions(name)
                shelf.promote(2)
                return found

        assert look(Busy(tracking_uri=registry.tracking_uri)) == []
        assert look(registry)[0].version == 2
