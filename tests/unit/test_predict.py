"""What a request's columns are answered with, and which mistake each wrong request is told."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from serving.runtime.app import create_app
from serving.runtime.errors import HistoryError, RequestError
from serving.runtime.features import compute_features
from serving.runtime.history import regularise
from serving.runtime.model import Model
from serving.runtime.predict import EntityForecast, predict_columns
from serving.runtime.served import ServedModel
from serving.runtime.spec import ColumnFeatures, FeatureSpec, Rolling

LOOKBACK, HORIZON, MAX_GAP = 30, 3, 2
FEATURES = FeatureSpec(
    columns={
        "load": ColumnFeatures(lags=[0, 1], rolling=[Rolling(window=12, statistics=["mean"])]),
        "OT": ColumnFeatures(lags=[0, 1, 24], differences=[24]),
    },
    calendar=["hour_of_day"],
)
START = np.datetime64("2020-03-01T00:00:00")

Data = dict[str, list[Any]]


def write_bundle(
    directory: Path, *, outputs: int, manifest: Mapping[str, Any], **objective: Any
) -> Model:
    """Fits trees on noise and writes them as a model's directory."""
    rng = np.random.default_rng(1)
    width = len(manifest["feature_names"])
    features = rng.normal(size=(200, width)).astype(np.float32)
    labels = rng.normal(size=(200, outputs)).squeeze() if not objective else features[:, 0] > 0
    booster = xgboost.train({"max_depth": 2, **objective}, xgboost.DMatrix(features, labels), 5)
    content = bytes(booster.save_raw("ubj"))
    directory.mkdir(exist_ok=True)
    (directory / "model.ubj").write_bytes(content)
    files = {"model.ubj": hashlib.sha256(content).hexdigest()}
    common = {"data_version": "d1", "estimator": "xgboost", "files": files}
    (directory / "model.json").write_text(json.dumps({**manifest, **common}))
    return Model.load(directory)


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory: pytest.TempPathFactory) -> Model:
    manifest = {
        "name": "heat",
        "task": "forecast",
        "columns": {"target": "OT", "inputs": ["load"], "timestamp": "date", "entity": "unit"},
        "forecast": {"horizon": HORIZON, "lookback": LOOKBACK, "max_gap": MAX_GAP},
        "features": FEATURES.model_dump(),
        "feature_names": list(FEATURES.names),
    }
    return write_bundle(tmp_path_factory.mktemp("model"), outputs=HORIZON, manifest=manifest)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Model:
    manifest = {
        "name": "flower",
        "task": "classification",
        "columns": {"target": "species", "inputs": ["length", "width"]},
        "feature_names": ["length", "width"],
        "classes": ["blue", "red"],
    }
    directory = tmp_path_factory.mktemp("model")
    kind = {"objective": "multi:softprob", "num_class": 2}
    return write_bundle(directory, outputs=1, manifest=manifest, **kind)


@pytest.fixture(scope="module")
def regressor(tmp_path_factory: pytest.TempPathFactory) -> Model:
    manifest = {
        "name": "price",
        "task": "regression",
        "columns": {"target": "price", "inputs": ["length", "width"]},
        "feature_names": ["length", "width"],
    }
    return write_bundle(tmp_path_factory.mktemp("model"), outputs=1, manifest=manifest)


def history(rows: int = LOOKBACK, *, unit: str | None = "2", seed: int = 0) -> Data:
    rng = np.random.default_rng(seed)
    times = START + np.arange(rows) * np.timedelta64(1, "h")
    data: Data = {
        "date": [str(time) for time in times],
        "load": rng.normal(5, 1, rows).tolist(),
        "OT": rng.normal(20, 3, rows).tolist(),
    }
    return data if unit is None else {**data, "unit": [unit] * rows}


def forecasts(model: Model, data: Data) -> list[EntityForecast]:
    found = predict_columns(model, data).predictions
    assert all(isinstance(one, EntityForecast) for one in found)
    return found  # type: ignore[return-value]


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


def without(data: Data, *rows: int) -> Data:
    return {
        name: [value for row, value in enumerate(values) if row not in rows]
        for name, values in data.items()
    }


def with_value(data: Data, column: str, row: int, value: object) -> Data:
    values = [*data[column]]
    values[row] = value
    return {**data, column: values}


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


def test_a_long_gap_of_missing_rows_is_named(forecaster: Model) -> None:
    data = without(history(40), 37, 38, 36)
    with pytest.raises(RequestError) as caught:
        predict_columns(forecaster, data)
    for part in ("unit 2", "'load'", "2020-03-02T12:00:00Z to 2020-03-02T14:00:00Z", "at most 2"):
        assert part in str(caught.value)


def test_a_gap_in_one_column_names_that_column(forecaster: Model) -> None:
    data = history()
    for row in (3, 4, 5):
        data = with_value(data, "OT", row, None)
    with pytest.raises(RequestError, match="column 'OT' has no reading from 2020-03-01T03"):
        predict_columns(forecaster, data)


def test_too_little_history_names_entity_and_lookback(forecaster: Model) -> None:
    long, short = history(unit="1"), history(29, unit="2")
    both = {name: long[name] + short[name] for name in long}
    message = "unit 2 has 29 hourly readings up to 2020-03-02T04:00:00Z; at least 30 are needed"
    with pytest.raises(RequestError, match=message):
        predict_columns(forecaster, both)


BASE = history()
WRONG: dict[str, tuple[Data, str]] = {
    "missing column": (
        {name: values for name, values in BASE.items() if name != "OT"},
        "column 'OT' is missing; needed are date, load, OT",
    ),
    "unknown column": (
        {**BASE, "extra": BASE["OT"]},
        "unknown column 'extra'; allowed are date, load, OT, unit",
    ),
    "no columns": ({}, "column 'date' is missing"),
    "no rows": ({name: [] for name in BASE}, "column 'date' is empty"),
    "ragged": ({**BASE, "OT": BASE["OT"][1:]}, "column 'OT' has 29 rows, but 'date' has 30"),
    "no list": ({**BASE, "OT": "text"}, "column 'OT' must be a list, got 'text'"),  # type: ignore[dict-item]
    "text": (with_value(BASE, "OT", 5, "21.5"), "column 'OT', row 5: .* got '21.5'"),
    "boolean": (with_value(BASE, "load", 3, True), "column 'load', row 3: .* got True"),
    "list": (with_value(BASE, "load", 3, [1.0]), "column 'load', row 3: .* got \\[1.0\\]"),
    "nan": (with_value(BASE, "OT", 0, float("nan")), "column 'OT', row 0: .* got nan"),
    "infinity": (with_value(BASE, "OT", 9, float("-inf")), "column 'OT', row 9: .* got -inf"),
    "beyond float32": (with_value(BASE, "OT", 9, 1e39), "column 'OT', row 9: .* got 1e\\+39"),
    "beyond float64": (with_value(BASE, "OT", 9, 10**400), "column 'OT', row 9: .* got 10000"),
    "date": (with_value(BASE, "date", 8, "02/03/2020"), "column 'date', row 8 .*'02/03/2020'"),
    "no date": (with_value(BASE, "date", 8, None), "column 'date', row 8: .* got None"),
    "mixed offsets": (
        with_value(BASE, "date", 2, "2020-03-01T02:00:00Z"),
        "column 'date', row 2 .*offset",
    ),
    "off the grid": (
        with_value(BASE, "date", 4, "2020-03-01T04:30:00"),
        "column 'date', unit 2: row 4 .* whole number of steps of 1h after row 3",
    ),
    "duplicate": (
        with_value(BASE, "date", 4, BASE["date"][3]),
        "column 'date', unit 2: row 4 .* must be after row 3",
    ),
    "unordered": (
        with_value(BASE, "date", 4, "2020-02-01T00:00:00"),
        "column 'date', unit 2: row 4 .* must be after row 3",
    ),
    "no entity": (with_value(BASE, "unit", 6, None), "column 'unit', row 6: .* got None"),
    "empty entity": (with_value(BASE, "unit", 6, ""), "column 'unit', row 6: .* got ''"),
    "surrogate": (with_value(BASE, "unit", 6, "\ud800"), "column 'unit', row 6"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_request_is_told_its_column_and_row(forecaster: Model, case: str) -> None:
    data, message = WRONG[case]
    with pytest.raises(RequestError, match=message):
        predict_columns(forecaster, data)


def test_a_row_of_mixed_entities_is_named_by_its_place_in_the_request(forecaster: Model) -> None:
    first, second = history(unit="1"), history(unit="2")
    both = {name: first[name] + second[name] for name in first}
    both = with_value(both, "date", LOOKBACK + 4, both["date"][LOOKBACK + 3])
    with pytest.raises(RequestError, match=r"unit 2: row 34 .* after row 33"):
        predict_columns(forecaster, both)


def test_rows_of_several_series_without_the_entity_are_told_of_that_column(
    forecaster: Model,
) -> None:
    data = history(unit=None)
    twice = {name: values * 2 for name, values in data.items()}
    with pytest.raises(RequestError, match="without column 'unit': row 30"):
        predict_columns(forecaster, twice)


def test_a_disorder_before_the_lookback_is_found(forecaster: Model) -> None:
    data = with_value(history(200), "date", 4, "2020-02-01T00:00:00")
    with pytest.raises(RequestError, match="row 4"):
        predict_columns(forecaster, data)


def test_a_reading_of_another_century_takes_no_memory_and_changes_nothing(
    forecaster: Model,
) -> None:
    data = with_value(history(), "date", 0, "1700-01-01T00:00:00")
    assert forecasts(forecaster, data)[0].values == forecasts(forecaster, history())[0].values


def test_a_gap_that_begins_before_the_lookback_is_named(forecaster: Model) -> None:
    data = without(history(60), *range(20, 40))
    with pytest.raises(RequestError, match=r"no reading from .*T06:00:00Z to .*T15:00:00Z"):
        predict_columns(forecaster, data)


def test_readings_too_large_for_features_are_refused(forecaster: Model) -> None:
    data = with_value(history(), "OT", 29, 3e38)
    with pytest.raises(HistoryError, match="1e\\+38"):
        predict_columns(forecaster, data)


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
    with pytest.raises(RequestError, match="column 'width', row 1: expected a number, got null"):
        predict_columns(classifier, {"length": [1.0, 2.0], "width": [1.0, None]})


@dataclass(frozen=True)
class Client:
    """Calls the application in this process."""

    app: Starlette

    def request(self, method: str, **content: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
                return await client.request(method, "/predict", **content)

        return asyncio.run(ask())

    def post(self, **content: Any) -> httpx.Response:
        return self.request("POST", **content)


@pytest.fixture
def client(forecaster: Model) -> Client:
    app = create_app()
    app.state.served = ServedModel(forecaster, "3")
    return Client(app)


def test_the_service_answers_with_the_model_and_its_forecasts(
    client: Client, forecaster: Model
) -> None:
    response = client.post(json={"data": history()})
    assert response.status_code == 200
    assert response.json() == {
        "model": {"name": "heat", "version": "3"},
        "predictions": [vars(forecasts(forecaster, history())[0])],
    }


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "not JSON"),
        (b"\xff\xfe\x00", 400, "not JSON"),
        (b"[" * 200_000, 400, "not JSON"),
        (b"[]", 422, "one field"),
        (b'{"data": [1]}', 422, "object of columns"),
        (b'{"data": {}, "more": 1}', 422, "one field"),
        (b'{"data": {"OT": [1], "OT": [2]}}', 422, "'OT' stands there more than once"),
        (b'{"data": {"OT": [NaN]}}', 422, "NaN is not a number of JSON"),
        (b'{"data": {"OT": [1]}}', 422, "column 'date' is missing"),
        (b'{"data": {"\\ud800": [1]}}', 422, "unknown column"),
    ],
)
def test_a_wrong_body_is_told_what_to_mend(
    client: Client, body: bytes, status: int, message: str
) -> None:
    response = client.post(content=body, headers={"content-type": "application/json"})
    assert response.status_code == status
    assert message in response.json()["error"]


def test_history_errors_are_answered_and_not_raised(client: Client) -> None:
    response = client.post(json={"data": with_value(history(), "OT", 29, 3e38)})
    assert (response.status_code, "1e+38" in response.json()["error"]) == (422, True)


@pytest.mark.parametrize("kind", ["application/vnd.bentoml+pickle", "text/csv", ""])
def test_only_json_is_read(client: Client, kind: str) -> None:
    response = client.post(content=b"{}", headers={"content-type": kind})
    assert response.status_code == 415
    assert "application/json" in response.json()["error"]


def test_another_method_is_refused_as_json(client: Client) -> None:
    response = client.request("GET")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert "error" in response.json()
