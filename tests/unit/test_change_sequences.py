"""Whatever happens to the alias `production`, each change is released once."""

from collections.abc import Sequence
from copy import deepcopy

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.alias_cases import Alias

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
