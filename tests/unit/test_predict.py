"""What the columns of a request are answered with."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.runtime.errors import RequestError
from serving.runtime.features import compute_features
from serving.runtime.history import regularise
from serving.runtime.model import Model
from serving.runtime.predict import predict_columns
from tests.unit.request_cases import (
    FEATURES,
    HORIZON,
    LOOKBACK,
    MAX_GAP,
    Data,
    forecasts,
    history,
    with_value,
    without,
    write_classifier,
    write_regressor,
)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return write_classifier(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def regressor(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return write_regressor(tmp_path_factory.mktemp("model"))


def batch_values(model: Model, data: Data) -> list[float] | None:
    """The forecast of the last row as the batch evaluation computes it, if it has that row."""
    forecast = model.manifest.forecast
    assert forecast is not None
    readings = np.array([data["load"], data["OT"]], dtype=float).T
    times = np.array(data["date"], "datetime64[s]")
    series = regularise(times, readings, forecast=forecast, entity="x")
    features = compute_features(series, columns=("load", "OT"), spec=FEATURES)
    values: list[float] = model.predict(features)[-1].tolist()
    return None if np.isnan(features[-1]).any() else values


def test_a_forecast_names_its_entity_origin_and_the_times_of_its_values(forecaster: Model) -> None:
    (forecast,) = forecasts(forecaster, history())
    assert forecast.entity == "2"
    assert forecast.origin == "2020-03-02T05:00:00Z"
    assert forecast.timestamps == [f"2020-03-02T0{hour}:00:00Z" for hour in (6, 7, 8)]
    assert len(forecast.values) == HORIZON


@given(seed=st.integers(0, 10**6), rows=st.integers(LOOKBACK, 3 * LOOKBACK))
def test_the_forecast_is_that_of_the_batch(forecaster: Model, seed: int, rows: int) -> None:
    data = history(rows, seed=seed)
    assert forecasts(forecaster, data)[0].values == batch_values(forecaster, data)


@given(hidden=st.sets(st.tuples(st.sampled_from(["load", "OT"]), st.integers(0, 59)), max_size=40))
def test_with_gaps_the_forecast_is_that_of_the_batch_or_there_is_none(
    forecaster: Model, hidden: set[tuple[str, int]]
) -> None:
    data = history(2 * LOOKBACK)
    for column, row in hidden:
        data = with_value(data, column, row, None)
    expected = batch_values(forecaster, data)
    if expected is None:
        with pytest.raises(RequestError, match="no reading"):
            predict_columns(forecaster, data)
    else:
        assert forecasts(forecaster, data)[0].values == expected


def test_mixed_rows_of_several_entities_are_answered_as_each_alone(forecaster: Model) -> None:
    first, second = history(unit="b", seed=1), history(40, unit="a", seed=2)
    rng = np.random.default_rng(3)
    turns = rng.permutation([0] * LOOKBACK + [1] * 40)
    queues = [[*zip(*data.values(), strict=True)] for data in (first, second)]
    rows = [queues[turn].pop(0) for turn in turns]
    mixed = dict(zip(first, ([*column] for column in zip(*rows, strict=True)), strict=True))
    found = {one.entity: one.values for one in forecasts(forecaster, mixed)}
    assert found == {
        "b": forecasts(forecaster, first)[0].values,
        "a": forecasts(forecaster, second)[0].values,
    }


def test_entities_are_answered_in_the_order_of_their_first_rows(forecaster: Model) -> None:
    first, second = history(unit="b"), history(unit="a")
    both = {name: first[name] + second[name] for name in first}
    assert [one.entity for one in forecasts(forecaster, both)] == ["b", "a"]


def test_a_whole_number_is_an_entity_id(forecaster: Model) -> None:
    data = {**history(), "unit": [7] * LOOKBACK}
    assert forecasts(forecaster, data)[0].entity == "7"


def test_a_numpy_text_is_an_entity_id(forecaster: Model) -> None:
    data = {**history(), "unit": [np.str_("7"), *["7"] * (LOOKBACK - 1)]}
    assert [one.entity for one in forecasts(forecaster, data)] == ["7"]


def test_one_series_needs_no_entity(forecaster: Model) -> None:
    (forecast,) = forecasts(forecaster, history(unit=None))
    assert forecast.entity is None
    assert forecast.values == forecasts(forecaster, history())[0].values


def test_timestamps_with_an_offset_give_the_origin_in_utc(forecaster: Model) -> None:
    data = history()
    data["date"] = [f"{text}+02:00" for text in data["date"]]
    assert forecasts(forecaster, data)[0].origin == "2020-03-02T03:00:00Z"


def test_readings_before_the_lookback_do_not_change_the_forecast(forecaster: Model) -> None:
    data = history(100)
    recent = {name: values[-LOOKBACK:] for name, values in data.items()}
    assert forecasts(forecaster, data)[0].values == forecasts(forecaster, recent)[0].values


def test_readings_before_the_lookback_fill_a_gap_at_its_start(forecaster: Model) -> None:
    manifest, lookback = forecaster.manifest, FEATURES.reach + 1
    assert manifest.forecast is not None
    forecast = manifest.forecast.model_copy(update={"lookback": lookback})
    model = replace(forecaster, manifest=manifest.model_copy(update={"forecast": forecast}))
    data = without(history(lookback + MAX_GAP), *range(1, 1 + MAX_GAP))
    assert forecasts(model, data)[0].values == batch_values(forecaster, data)


def test_classes_come_with_their_probabilities(classifier: Model) -> None:
    answer = predict_columns(classifier, {"length": [-2.0, 2], "width": [0, 0.0]})
    assert answer.predictions == ["blue", "red"]
    assert answer.probabilities is not None
    blue, red = answer.probabilities["blue"], answer.probabilities["red"]
    assert np.add(blue, red) == pytest.approx([1, 1])
    assert blue[0] > 0.5 > blue[1]


def test_a_regression_answers_a_number_for_each_row(regressor: Model) -> None:
    data: Data = {"length": [-2.0, 2, 1], "width": [0, 0.0, 3.5]}
    features = np.array([*data.values()], np.float32).T
    answer = predict_columns(regressor, data)
    assert answer.predictions == regressor.predict(features).tolist()
    assert answer.probabilities is None


def test_columns_may_come_in_any_order(regressor: Model) -> None:
    data: Data = {"length": [-2.0, 2], "width": [0.5, -1.0]}
    turned = {name: data[name] for name in reversed(data)}
    assert predict_columns(regressor, turned) == predict_columns(regressor, data)


def test_the_target_may_be_there_and_is_not_read(classifier: Model) -> None:
    data: Data = {"length": [1.0], "width": [1.0]}
    known = {**data, "species": ["red"]}
    assert predict_columns(classifier, known) == predict_columns(classifier, data)


def test_a_missing_number_of_a_row_is_named(classifier: Model) -> None:
    with pytest.raises(
        RequestError,
        match="column 'width', row 1: expected a finite number .* in every row, got null",
    ):
        predict_columns(classifier, {"length": [1.0, 2.0], "width": [1.0, None]})
