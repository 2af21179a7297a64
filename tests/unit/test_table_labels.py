"""Tables with holes: which rows have features and labels, and when there are too few."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_assets.core.dataset.frames import TEXT
from ml_assets.core.errors import DataError
from ml_assets.core.features.table import feature_table
from ml_assets.core.features.training_set import PARTS, load_training_set, tabular_labels
from ml_assets.core.names import KEYS
from ml_assets.core.spec import PipelineSpec
from tests.unit.evaluation_cases import table_spec

FLOWERS = table_spec("classification", ["a", "b"])
PRICES = table_spec("regression", ["a", "b"])


def numbers(rows: int) -> pd.DataFrame:
    values = np.arange(float(rows))
    return pd.DataFrame({"a": values, "b": values / 2, "label": values * 10})


def flowers(**counts: int) -> pd.DataFrame:
    names = [name for name, rows in counts.items() for _ in range(rows)]
    return numbers(len(names)).assign(label=pd.array(names, dtype=TEXT))


def joined(table: pd.DataFrame, spec: PipelineSpec) -> pd.DataFrame:
    return feature_table(table, spec).merge(tabular_labels(table, spec), on=KEYS)


def test_a_row_without_an_input_has_no_features_and_the_others_keep_their_number() -> None:
    table = numbers(6)
    table.loc[1, "a"] = table.loc[4, "b"] = np.nan
    found = feature_table(table, PRICES)
    assert found["entity"].tolist() == ["0", "2", "3", "5"]
    assert found["a"].tolist() == [0, 2, 3, 5]


def test_labels_join_the_features_of_their_own_row() -> None:
    table = numbers(40)
    table.loc[3, "a"] = table.loc[17, "label"] = np.nan
    rows = joined(table, PRICES)
    assert (rows["label"] == rows["a"] * 10).all()
    assert sorted(set(range(40)) - set(rows["a"].astype(int))) == [3, 17]


def test_a_missing_class_is_no_class() -> None:
    table = flowers(red=20, blue=20)
    table.loc[[2, 30], "label"] = pd.NA
    data = load_training_set(joined(table, FLOWERS), FLOWERS)
    assert {name for part in data.parts.values() for name in part.labels} == {"red", "blue"}
    assert sum(len(part) for part in data.parts.values()) == 38


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_missing_class_is_no_class_in_a_column_of_objects_either(missing: float | None) -> None:
    table = flowers(red=20, blue=20)
    table["label"] = pd.Series([missing, *table["label"][1:]], dtype=object)
    assert set(tabular_labels(table, FLOWERS)["label"]) == {"red", "blue"}


def test_without_holes_every_row_has_a_label() -> None:
    assert len(tabular_labels(numbers(40), PRICES)) == 40


def test_a_class_with_too_few_rows_is_named_with_what_is_needed() -> None:
    with pytest.raises(DataError, match=r"class 'rare' of column 'label' has 4 .* at least 5"):
        tabular_labels(flowers(common=40, rare=4), FLOWERS)


def test_rows_of_a_class_that_miss_an_input_do_not_count() -> None:
    table = flowers(common=40, rare=6)
    table.loc[[41, 42], "a"] = np.nan
    with pytest.raises(DataError, match="class 'rare' of column 'label' has 4"):
        tabular_labels(table, FLOWERS)


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_too_few_rows_are_counted_with_what_is_needed(rows: int) -> None:
    with pytest.raises(DataError, match=f"{rows} rows have .*'label'; at least 5 are needed"):
        tabular_labels(numbers(rows), PRICES)


@settings(max_examples=50)
@given(counts=st.lists(st.integers(5, 40), min_size=1, max_size=12), seed=st.integers(0, 1_000_000))
def test_every_part_has_every_class_that_has_rows_enough(counts: list[int], seed: int) -> None:
    spec = table_spec("classification", ["a", "b"], estimator={"seed": seed})
    found = tabular_labels(flowers(**{f"c{i}": rows for i, rows in enumerate(counts)}), spec)
    assert len(found[["label", "split"]].drop_duplicates()) == len(PARTS) * len(counts)
