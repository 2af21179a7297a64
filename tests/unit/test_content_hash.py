from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ml_assets.core.dataset.simulator import simulate
from ml_assets.core.dataset.snapshot import content_hash


def simulated() -> pd.DataFrame:
    return simulate(entities=12, days=20, outliers=0.01)


def test_unchanged_input_has_the_same_hash():
    assert content_hash(simulated()) == content_hash(simulated())


def test_the_hash_is_what_it_always_was():
    # A change of this value changes the data version of every dataset that exists.
    frame = pd.DataFrame(
        {
            "date": pd.to_datetime(["2016-07-01", "2016-07-02"]).tz_localize("UTC").as_unit("us"),
            "transformer": pd.array(["1", "ü"], dtype="string[pyarrow]"),
            "OT": [1.5, np.nan],
            "count": np.array([1, 2], np.int64),
        }
    )
    assert content_hash(frame) == (
        "21011bbb895db9a83707912e700011f34686cb72f209f15b7765f134526260fd"
    )


def test_one_changed_cell_changes_the_hash():
    before = simulated()
    after = before.copy()
    after.loc[5, "OT"] = np.nextafter(after.loc[5, "OT"], np.inf)
    assert content_hash(after) != content_hash(before)


def test_a_missing_cell_is_not_the_same_as_a_zero():
    frame = pd.DataFrame({"x": [0.0, 1.0]})
    assert content_hash(frame) != content_hash(pd.DataFrame({"x": [np.nan, 1.0]}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"x": [1.0]}, {"y": [1.0]}),
        ({"x": [1.0]}, {"x": [1]}),
        ({"x": [1.0], "y": [2.0]}, {"y": [2.0], "x": [1.0]}),
        ({"x": ["ab", "c"]}, {"x": ["a", "bc"]}),
        ({"x": ["", "a"]}, {"x": [None, "a"]}),
        ({"x": [1.0, 2.0]}, {"x": [2.0, 1.0]}),
    ],
)
def test_different_tables_have_different_hashes(one: dict[str, list], other: dict[str, list]):
    assert content_hash(pd.DataFrame(one)) != content_hash(pd.DataFrame(other))


def test_the_hash_does_not_depend_on_the_kind_of_nan_or_of_zero():
    quiet = np.array([np.nan, 0.0])
    other = np.array([0xFFF8000000000001, 0x8000000000000000], np.uint64).view(np.float64)
    assert content_hash(pd.DataFrame({"x": quiet})) == content_hash(pd.DataFrame({"x": other}))


@given(st.lists(st.one_of(st.none(), st.text(max_size=5)), min_size=1, max_size=20))
@example(["", "\0"])
def test_the_hash_does_not_depend_on_how_text_is_stored(texts: list[str | None]):
    as_objects = pd.Series(texts, dtype=object)
    ways = [as_objects, *(as_objects.astype(way) for way in ("string", "string[pyarrow]"))]
    if not any("\0" in text for text in texts if text):  # at which pandas cuts a category off
        ways.append(as_objects.astype("category"))
    sliced = pd.concat([as_objects, as_objects], ignore_index=True).astype("string[pyarrow]")
    ways.append(sliced[len(texts) :])
    assert len({content_hash(pd.DataFrame({"x": way})) for way in ways}) == 1


def test_the_hash_survives_a_round_trip_through_parquet(tmp_path: Path):
    frame = simulated()
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=100)
    assert content_hash(pd.read_parquet(tmp_path / "a.parquet")) == content_hash(frame)
