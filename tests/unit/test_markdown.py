"""Tables and numbers on pages in Markdown."""

import math

import pytest

from serving.release.markdown import number, plain, table


def test_a_table_of_texts_and_one_of_numbers() -> None:
    assert [*table(["a", "b"], [["1", "2"]])] == ["| a | b |", "|---|---|", "| 1 | 2 |"]
    assert [*table(["a", "b"], [], numbers=True)] == ["| a | b |", "|---|---:|"]


@pytest.mark.parametrize(
    ("text", "written"),
    [("a|b", "a&#124;b"), ("a\n\n# b", "a # b"), ("<b>", "&lt;b>"), ("`a`", "'a'")],
)
def test_no_text_ends_its_cell_or_becomes_markup(text: str, written: str) -> None:
    assert plain(text) == written
    assert [*table([text], [[text]])] == [f"| {written} |", "|---|", f"| {written} |"]


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.123456, "0.1235"), (7.0, "7"), (None, ""), (math.nan, ""), (math.inf, "")],
)
def test_a_number_has_four_digits_and_what_is_none_is_left_out(
    value: float | None, written: str
) -> None:
    assert number(value) == written
