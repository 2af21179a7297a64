"""The comparison of a service's answers with the ones that are expected."""

import copy
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from serving.release.differences import HEADER, Compared, Missing, Place, compare, table

finite = st.floats(-1e6, 1e6)
forecasts = st.lists(
    st.fixed_dictionaries(
        {
            "entity": st.text("abc", min_size=1),
            "origin": st.just("2020-01-01T00:00:00Z"),
            "values": st.lists(finite, min_size=2, max_size=4),
        }
    ),
    min_size=1,
    max_size=3,
)
answers = forecasts.map(lambda found: {"model": {"name": "oven"}, "predictions": found})


def differing(expected: Any, got: Any, *, tolerance: float = 1e-6) -> list[Compared]:
    return [one for one in compare(Place(0), expected, got) if one.difference > tolerance]


def only(expected: Any, got: Any) -> Compared:
    [found] = differing(expected, got)
    return found


@given(answers)
def test_an_answer_is_the_same_as_itself_after_json(answer: Any) -> None:
    assert differing(answer, json.loads(json.dumps(answer)), tolerance=0) == []


@given(answers, st.data(), st.floats(1e-5, 1e3))
def test_one_number_that_is_off_is_found_where_it_is(
    answer: Any, data: st.DataObject, by: float
) -> None:
    got = copy.deepcopy(answer)
    row = data.draw(st.integers(0, len(answer["predictions"]) - 1))
    values = got["predictions"][row]["values"]
    step = data.draw(st.integers(0, len(values) - 1))
    expected = values[step]
    values[step] += by * max(1, abs(expected))
    found = only(answer, got)
    assert found.place.path == ("predictions", row, "values", step)
    assert found.place.entity == answer["predictions"][row]["entity"]
    assert math.isclose(found.difference, by, rel_tol=1e-3)


@given(answers, st.randoms())
def test_values_in_another_order_differ(answer: Any, random: Any) -> None:
    got = copy.deepcopy(answer)
    random.shuffle(got["predictions"])
    for one in got["predictions"]:
        random.shuffle(one["values"])
    assume(got != answer)
    assert differing(answer, got, tolerance=0)


@given(answers, st.data())
def test_whatever_is_missing_or_too_much_differs(answer: Any, data: st.DataObject) -> None:
    less = copy.deepcopy(answer)
    row = data.draw(st.sampled_from(less["predictions"]))
    change: Callable[[], object] = data.draw(
        st.sampled_from([less["predictions"].pop, row["values"].pop, row.popitem, less.popitem])
    )
    change()
    for pair in [(answer, less), (less, answer)]:
        assert all(one.difference == math.inf for one in differing(*pair))
        assert differing(*pair)


@pytest.mark.parametrize("got", [math.nan, math.inf, -math.inf, "1.0", True, None, [1.0], {}])
def test_what_is_no_finite_number_is_infinitely_far_off(got: object) -> None:
    assert only([1.0], [got]).difference == math.inf


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_never_right(value: float) -> None:
    assert only([value], [value]).difference == math.inf


def test_whole_numbers_are_numbers() -> None:
    assert differing([1.0, 2], [1, 2.0], tolerance=0) == []


def test_truth_values_are_no_numbers() -> None:
    assert only([True], [1]).difference == math.inf


def test_small_numbers_are_compared_as_they_are_and_large_ones_by_their_size() -> None:
    assert only([0.01], [0.02]).difference == pytest.approx(0.01)
    assert only([1000.0], [1001.0]).difference == pytest.approx(0.001)


def test_what_only_one_answer_has_stands_beside_nothing() -> None:
    found = only({"predictions": [1.0]}, {"predictions": [1.0, 2.0]})
    assert (found.expected, found.got) == (Missing.NOTHING, 2.0)
    assert found.place.path == ("predictions", 1)


def test_the_table_shows_the_worst_first() -> None:
    expected = {"predictions": [{"entity": "b", "values": [10.0, 20.0, 30.0]}]}
    got = {"predictions": [{"entity": "b", "values": [10.0, 21.0, 40.0]}]}
    found = [replaced for replaced in compare(Place(7), expected, got) if replaced.difference]
    header, *rows = (line.split() for line in table(found, rows=5).splitlines())
    assert tuple(header) == HEADER
    assert rows == [
        ["7", "predictions.values", "b", "0", "3", "30", "40", "0.333"],
        ["7", "predictions.values", "b", "0", "2", "20", "21", "0.05"],
    ]


def test_the_table_is_no_longer_than_asked_for() -> None:
    assert len(table(differing([1.0] * 9, [2.0] * 9), rows=4).splitlines()) == 5


def test_long_values_are_cut() -> None:
    assert max(map(len, table(differing(["a"], ["b" * 999]), rows=1).splitlines())) < 150
