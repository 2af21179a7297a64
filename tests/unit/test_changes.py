"""Which changes of the alias `production` are released."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from ml_assets.resources.promotions import AliasChange
from ml_assets.resources.registry import ModelRegistry
from serving.release.changes import Change, Cursor, Production, look, new_changes
from tests.registry_cases import START, Shelf


@dataclass
class Alias:
    """A model's alias, and somebody who looks at it."""

    model: Production = field(default_factory=lambda: Production("oven", None, ()))
    cursor: Cursor = field(default_factory=Cursor)
    found: list[Change] = field(default_factory=list)
    reached: list[int] = field(default_factory=list)
    _seconds: int = 0

    def promote(self, version: int, *, moves: bool = True, rollback: bool = False) -> None:
        """Writes a record, and then moves the alias unless the promotion is stopped there."""
        self._seconds += 1
        when = START + timedelta(seconds=self._seconds)
        record = AliasChange(version, when, self.model.version, rollback=rollback)
        self.model = replace(self.model, promotions=[*self.model.promotions, record])
        if moves:
            self.move(version)

    def move(self, version: int | None) -> None:
        """Moves the alias."""
        if version not in (None, self.model.version):
            self.reached.append(version)
        self.model = replace(self.model, version=version)

    def tick(self) -> list[Change]:
        """Looks for new changes."""
        new, self.cursor = new_changes(self.cursor, [self.model])
        self.cursor = Cursor.model_validate_json(self.cursor.model_dump_json())
        self.found += new
        return new

    @property
    def released(self) -> list[int]:
        """The versions that were found, in order."""
        return [change.version for change in self.found]


def _promoted(*versions: int) -> Alias:
    alias = Alias()
    for version in versions:
        alias.promote(version)
    return alias


class TestPromotions:
    """Changes that left a record."""

    def test_each_promotion_is_a_change_even_between_two_looks(self) -> None:
        alias = _promoted(1, 2, 1)
        assert [change.version for change in alias.tick()] == [1, 2, 1]

    def test_the_key_is_the_time_of_the_promotion(self) -> None:
        assert _promoted(7).tick() == [Change("oven", 7, "20260102T030406.123456Z")]

    def test_what_was_seen_is_not_new(self) -> None:
        alias = _promoted(1, 2)
        alias.tick()
        assert alias.tick() == []

    def test_the_same_version_again_is_no_change(self) -> None:
        alias = _promoted(1)
        alias.tick()
        alias.promote(1)
        assert alias.tick() == []

    def test_a_promotion_that_was_stopped_counts_once_the_alias_has_moved(self) -> None:
        alias = _promoted(1)
        alias.promote(2, moves=False)
        alias.tick()
        assert alias.released == [1]
        alias.move(2)
        assert alias.tick() == [Change("oven", 2, "20260102T030407.123456Z")]

    def test_a_promotion_that_was_stopped_and_made_again_counts_once(self) -> None:
        alias = _promoted(1)
        alias.promote(2, moves=False)
        alias.promote(2)
        alias.tick()
        assert alias.released == [1, 2]


class TestRollbacks:
    """A version that came back was released before; whoever takes it back delivers it too."""

    def test_one_is_no_change(self) -> None:
        alias = _promoted(1, 2)
        alias.tick()
        alias.promote(1, rollback=True)
        assert alias.tick() == []

    def test_a_promotion_on_either_side_of_it_is_a_change(self) -> None:
        alias = _promoted(1, 2)
        alias.promote(1, rollback=True)
        alias.promote(3)
        alias.tick()
        assert alias.released == [1, 2, 3]

    def test_a_move_by_hand_after_it_is_a_change(self) -> None:
        alias = _promoted(1, 2)
        alias.promote(1, rollback=True)
        alias.tick()
        alias.move(3)
        assert [change.version for change in alias.tick()] == [3]

    def test_the_same_version_by_hand_later_is_a_change(self) -> None:
        alias = _promoted(1, 2)
        alias.promote(1, rollback=True)
        alias.tick()
        for version in (2, 1):
            alias.move(version)
            alias.tick()
        assert alias.released[2:] == [2, 1]

    def test_one_that_was_stopped_half_way_hides_no_promotion(self) -> None:
        alias = _promoted(1, 2)
        alias.promote(1, moves=False, rollback=True)
        alias.promote(3)
        alias.tick()
        assert alias.released == [1, 2, 3]

    def test_it_is_one_of_its_own_model_alone(self) -> None:
        alias = _promoted(1)
        other = Production("fan", 1, [replace(alias.model.promotions[0], rollback=True)])
        changes, _ = new_changes(Cursor(), [alias.model, other])
        assert [change.model for change in changes] == ["oven"]


class TestMovesByHand:
    """Changes without a record."""

    def test_each_is_a_change_with_a_key_that_counts_from_the_last_promotion(self) -> None:
        alias = _promoted(1)
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
        alias = _promoted(1)
        alias.tick()
        alias.move(None)
        assert alias.tick() == []

    def test_an_alias_that_is_back_after_it_was_deleted_is_a_change(self) -> None:
        alias = _promoted(1)
        alias.tick()
        for version in (None, 1):
            alias.move(version)
            alias.tick()
        assert alias.released == [1, 1]


def test_a_model_that_the_registry_does_not_show_is_remembered() -> None:
    alias = _promoted(1)
    alias.tick()
    assert new_changes(alias.cursor, []) == ([], alias.cursor)


_versions = st.integers(1, 4)
_promotions = st.lists(st.tuples(_versions, st.booleans(), st.booleans()), max_size=12)
_moves = st.lists(
    st.one_of(
        st.tuples(st.just("promote"), _versions),
        st.tuples(st.just("stop half-way"), _versions),
        st.tuples(st.just("by hand"), st.none() | _versions),
    ),
    max_size=15,
)


def _do(alias: Alias, move: tuple[str, int | None]) -> None:
    kind, version = move
    if kind == "by hand":
        alias.move(version)
    else:
        assert version is not None
        alias.promote(version, moves=kind == "promote")


class TestAnySequence:
    """Whatever happens to an alias, and whenever somebody looks."""

    @given(_promotions)
    def test_no_promotion_is_lost_or_told_twice(
        self, promotions: Sequence[tuple[int, bool, bool]]
    ) -> None:
        alias = Alias()
        for version, moves, is_followed_by_a_look in promotions:
            alias.promote(version, moves=moves)
            if is_followed_by_a_look:
                alias.tick()
        alias.tick()
        assert alias.released == alias.reached

    @given(_moves)
    def test_a_look_after_each_move_finds_each_change(
        self, moves: Sequence[tuple[str, int | None]]
    ) -> None:
        alias = Alias()
        for move in moves:
            _do(alias, move)
            alias.tick()
        assert alias.released == alias.reached

    @given(_moves, st.sets(st.integers(0, 15)))
    def test_keys_differ_and_the_last_change_is_what_is_in_production(
        self, moves: Sequence[tuple[str, int | None]], looks: set[int]
    ) -> None:
        alias = Alias()
        for number, move in enumerate(moves):
            _do(alias, move)
            if number in looks:
                alias.tick()
        alias.tick()
        assert len({change.key for change in alias.found}) == len(alias.found)
        assert len(alias.found) <= len(alias.reached)
        if alias.model.version:
            assert alias.released[-1] == alias.model.version

    @given(_moves, _moves)
    def test_two_at_once_find_the_same_keys(
        self, before: Sequence[tuple[str, int | None]], after: Sequence[tuple[str, int | None]]
    ) -> None:
        alias = Alias()
        for move in before:
            _do(alias, move)
        alias.tick()
        for move in after:
            _do(alias, move)
        other = deepcopy(alias)
        assert alias.tick() == other.tick()

    @given(_promotions, _promotions)
    def test_a_look_whose_cursor_was_lost_is_told_again_with_the_same_keys(
        self,
        before: Sequence[tuple[int, bool, bool]],
        after: Sequence[tuple[int, bool, bool]],
    ) -> None:
        alias = Alias()
        for version, *_ in before:
            alias.promote(version)
        lost = deepcopy(alias).tick()
        for version, *_ in after:
            alias.promote(version)
        assert alias.tick()[: len(lost)] == lost


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
