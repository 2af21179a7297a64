"""The example request of a model is one that the model answers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.errors import DataError
from ml_assets.core.examples import example_rows, input_ranges
from ml_assets.core.features.table import feature_table
from ml_assets.core.spec import PipelineSpec
from serving.runtime.model import Model
from tests.unit.evaluation_cases import iris, table_set, table_spec
from tests.unit.request_cases import FEATURES, LOOKBACK, forecasts, write_forecaster

MAX_GAP = 2
HOUR = pd.Timedelta(hours=1)
START = pd.Timestamp("2024-01-01", tz="UTC")


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return write_forecaster(tmp_path_factory.mktemp("model"))


def spec_of(model: Model) -> PipelineSpec:
    manifest = model.manifest
    return PipelineSpec.model_validate(
        {
            "name": manifest.name,
            "task": "forecast",
            "source": {"uri": "heat.csv"},
            "columns": manifest.columns,
            "forecast": manifest.forecast,
            "features": FEATURES,
        }
    )


def readings(*entities: str, rows: int = 100) -> pd.DataFrame:
    random = np.random.default_rng(5)
    dates = pd.date_range(START, periods=rows, freq="h").as_unit("us")
    frames = [
        pd.DataFrame({"date": dates, "unit": name, "load": random.normal(size=rows)}).assign(
            OT=random.normal(size=rows)
        )
        for name in entities
    ]
    return pd.concat(frames, ignore_index=True)


def request_of(example: pd.DataFrame) -> dict[str, list[object]]:
    """The rows as a request's columns, missing numbers as None."""
    return example.astype(object).where(example.notna(), None).to_dict("list")


def answered(model: Model, dataset: pd.DataFrame) -> tuple[str | None, pd.Timestamp]:
    """Entity and origin of the model's answer to the example."""
    spec = spec_of(model)
    example = example_rows(dataset, feature_table(dataset, spec), spec)
    (answer,) = forecasts(model, request_of(example))
    return answer.entity, pd.Timestamp(answer.origin)


def test_the_example_is_the_newest_history(forecaster: Model) -> None:
    spec, dataset = spec_of(forecaster), readings("a", "b")
    example = example_rows(dataset, feature_table(dataset, spec), spec)
    assert len(example) == LOOKBACK + MAX_GAP
    assert answered(forecaster, dataset) == ("a", START + 99 * HOUR)


def test_the_entity_is_the_one_with_the_newest_features(forecaster: Model) -> None:
    dataset = readings("a", "b", "c").drop(range(95, 100))
    dataset.loc[dataset["unit"] == "c", "OT"] = np.nan
    assert answered(forecaster, dataset) == ("b", START + 99 * HOUR)


def test_newest_rows_whose_features_are_incomplete_are_not_shown(forecaster: Model) -> None:
    dataset = readings("a")
    dataset.loc[95:, "load"] = np.nan
    assert answered(forecaster, dataset) == ("a", START + 96 * HOUR)


def test_the_example_ends_at_a_reading_even_where_a_filled_row_is_newer(
    forecaster: Model,
) -> None:
    dataset = readings("a").drop(range(80, 95))
    assert answered(forecaster, dataset) == ("a", START + 79 * HOUR)


def test_a_filled_row_does_not_count_as_history(forecaster: Model) -> None:
    dataset = readings("a", "b").drop([*range(51), *range(80, 95), *range(160, 200)])
    assert answered(forecaster, dataset) == ("b", START + 59 * HOUR)


def test_a_long_gap_at_the_start_of_the_lookback_is_spanned(forecaster: Model) -> None:
    dataset = readings("a").drop(range(67, 73))
    first = 99 - LOOKBACK + 1
    assert 67 < first < 73
    assert answered(forecaster, dataset)[1] == START + 99 * HOUR


def test_a_filled_gap_at_the_start_keeps_the_reading_that_fills_it(forecaster: Model) -> None:
    dataset = readings("a").drop([70, 71])
    spec = spec_of(forecaster)
    example = example_rows(dataset, feature_table(dataset, spec), spec)
    assert example["date"].iloc[0] <= "2024-01-03T21:00:00Z"
    whole = request_of(dataset.assign(date=dataset["date"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")))
    assert (
        forecasts(forecaster, request_of(example))[0].values
        == forecasts(forecaster, whole)[0].values
    )


def test_a_series_shorter_than_the_lookback_is_passed_over(forecaster: Model) -> None:
    dataset = readings("a", "b").drop(range(72)).drop(range(190, 200))
    assert answered(forecaster, dataset) == ("b", START + 89 * HOUR)


def test_without_any_history_of_the_lookback_the_error_says_so(forecaster: Model) -> None:
    spec, dataset = spec_of(forecaster), readings("a", rows=LOOKBACK - 1)
    with pytest.raises(DataError, match="30 steps of history"):
        example_rows(dataset, feature_table(dataset, spec), spec)


def test_the_example_of_one_series_has_no_entity_column(forecaster: Model) -> None:
    spec = spec_of(forecaster)
    spec = spec.model_copy(update={"columns": spec.columns.model_copy(update={"entity": None})})
    dataset = readings("a").drop(columns="unit")
    example = example_rows(dataset, feature_table(dataset, spec), spec)
    assert list(example.columns) == ["date", "load", "OT"]


def test_the_example_of_a_table_is_its_first_complete_rows(tmp_path: Path) -> None:
    spec = table_spec("regression", ["a", "b"])
    dataset = pd.DataFrame({"a": np.arange(9.0), "b": np.arange(9.0), "label": 1.0})
    dataset.loc[[0, 3], ["a", "b"]] = [[np.nan, 0], [3, np.nan]]
    example = example_rows(dataset, feature_table(dataset, spec), spec)
    assert example["a"].tolist() == [1, 2, 4, 5, 6]
    assert list(example.columns) == ["a", "b"]


def test_ranges_are_those_of_the_rows_that_the_model_is_fitted_to() -> None:
    table = iris()
    names = [name for name in table if name != "label"]
    spec = table_spec("classification", names)
    data = table_set(table, spec)
    tested = int(data.part("test").entities[0])
    table.loc[tested, names] = 1000.0
    ranges = input_ranges(table, data, spec)
    train = data.part("train").features
    for column, name in enumerate(names):
        found = train[:, column].min(), train[:, column].max()
        assert ranges[name] == pytest.approx(found)
        assert ranges[name][1] < 1000
