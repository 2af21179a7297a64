"""MLflow's scoring protocol: what each form says, and where its mistakes are."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.runtime.model import Model
from tests.unit.http_cases import Client, client_of
from tests.unit.request_cases import (
    LOOKBACK,
    forecasts,
    history,
    with_value,
    write_bundle,
    write_classifier,
    write_regressor,
)

SPLIT = {"columns": ["width", "note", "length"], "data": [[2, "x", 1.5], [0.1, None, -3]]}
RECORDS = [{"width": 2, "note": "x", "length": 1.5}, {"length": -3, "width": 0.1}]
FIELDS = {"width": [2, 0.1], "note": "x", "length": [1.5, -3]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A regression on `length` and `width`."""
    return write_regressor(tmp_path_factory.mktemp("models") / "price")


@pytest.fixture(scope="module")
def client(model: Model) -> Client:
    return client_of(model)


@pytest.fixture(scope="module")
def oven(forecaster: Model) -> Client:
    return client_of(forecaster)


def invoke(client: Client, body: Any, kind: str = "application/json") -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post("/invocations", content=content, headers={"content-type": kind})


def paths(response: httpx.Response) -> list[str]:
    """Where the mistakes are that a refusal names."""
    assert response.status_code == 422, response.text
    return [field["path"] for field in response.json()["fields"]]


def predicted(client: Client, data: Mapping[str, Any]) -> Any:
    """What `/predict` says."""
    return client.post("/predict", json={"data": data}).json()["predictions"]


def rows_of(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(data, values, strict=True)) for values in zip(*data.values(), strict=True)]


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": SPLIT},
        {"dataframe_split": {**SPLIT, "index": ["a", "b"]}, "params": {"a": 1}},
        {"dataframe_records": RECORDS},
        {"inputs": FIELDS},
        {"inputs": RECORDS},
        {"instances": FIELDS},
        {"instances": RECORDS},
    ],
)
def test_every_form_gets_what_predict_says(client: Client, body: Any) -> None:
    expected = predicted(client, {"length": [1.5, -3], "width": [2, 0.1]})
    assert invoke(client, body).json() == {"predictions": expected}
    assert expected[0] != expected[1]


def test_single_values_are_one_row(client: Client) -> None:
    response = invoke(client, {"inputs": {"length": 1.5, "width": 2}})
    assert response.json()["predictions"] == predicted(client, {"length": [1.5], "width": [2]})


def test_a_value_beside_lists_is_that_of_each_row(client: Client) -> None:
    response = invoke(client, {"inputs": {"length": [1.5, -3], "width": 2}})
    expected = predicted(client, {"length": [1.5, -3], "width": [2, 2]})
    assert response.json()["predictions"] == expected


def test_texts_and_booleans_are_cast_as_by_mlflow(client: Client) -> None:
    response = invoke(client, {"inputs": {"length": ["-3", True], "width": [" 1e-1 ", "2"]}})
    assert response.json()["predictions"] == predicted(
        client, {"length": [-3, 1], "width": [0.1, 2]}
    )


def test_a_list_is_the_only_column_of_a_model(tmp_path: Path) -> None:
    manifest = {
        "name": "line",
        "task": "regression",
        "columns": {"target": "y", "inputs": ["x"]},
        "feature_names": ["x"],
    }
    client = client_of(write_bundle(tmp_path / "line", outputs=1, manifest=manifest))
    expected = predicted(client, {"x": [-2, 2]})
    assert invoke(client, {"instances": [-2, "2"]}).json() == {"predictions": expected}
    assert invoke(client, {"inputs": [{"x": -2}, {"x": 2}]}).json() == {"predictions": expected}
    assert paths(invoke(client, {"inputs": [1, "warm"]})) == ["/inputs/1"]


def test_a_classification_tells_the_names_of_classes(tmp_path: Path) -> None:
    client = client_of(write_classifier(tmp_path / "flower"))
    response = invoke(client, {"inputs": {"length": [3, -3], "width": [0, 0]}})
    assert response.json() == {"predictions": ["red", "blue"]}


def test_a_forecast_is_a_list_for_each_entity(oven: Client, forecaster: Model) -> None:
    first, second = history(unit="1"), history(unit="2", seed=3)
    both = {name: first[name] + second[name] for name in first}
    response = invoke(oven, {"dataframe_records": rows_of(both)})
    expected = [forecast.values for forecast in forecasts(forecaster, both)]
    assert response.json() == {"predictions": expected}
    assert len(expected) == 2


def test_a_field_that_a_record_lacks_is_missing(oven: Client) -> None:
    gap = with_value(history(), "load", 20, None)
    records = rows_of(gap)
    del records[20]["load"]
    expected = invoke(oven, {"inputs": gap}).json()
    assert invoke(oven, {"dataframe_records": records}).json() == expected
    assert "predictions" in expected


def test_a_short_row_lacks_its_last_columns(oven: Client) -> None:
    names = ["date", "unit", "OT", "load"]
    rows = [list(row) for row in zip(*(history()[name] for name in names), strict=True)]
    gap = with_value(history(), "load", 20, None)
    del rows[20][-1]
    response = invoke(oven, {"dataframe_split": {"columns": names, "data": rows}})
    assert response.json() == invoke(oven, {"inputs": gap}).json()


def test_an_entity_of_any_type_is_text_in_inputs_but_not_in_a_dataframe(oven: Client) -> None:
    data = {**history(), "unit": [2.5] * LOOKBACK}
    assert invoke(oven, {"inputs": data}).status_code == 200
    assert paths(invoke(oven, {"dataframe_records": rows_of(data)}))[0] == (
        "/dataframe_records/0/unit"
    )


def test_csv_is_read(client: Client) -> None:
    text = '\ufefflength,note,width\r\n1.5,,2\r\n\r\n-3,"a, b",1e-1\r\n'
    response = invoke(client, text.encode(), "text/csv; charset=UTF-8")
    assert response.json()["predictions"] == predicted(
        client, {"length": [1.5, -3], "width": [2, 0.1]}
    )


def test_a_column_of_true_and_false_in_csv_is_numbers(client: Client) -> None:
    response = invoke(client, b"length,width\nTrue,2\nfalse,2\n", "text/csv")
    assert response.json()["predictions"] == predicted(client, {"length": [1, 0], "width": [2, 2]})


def test_what_stands_for_a_missing_value_in_csv_is_missing(client: Client) -> None:
    response = invoke(client, b"length,width\n1,2\nNA,2\n3\n", "text/csv")
    assert paths(response) == ["/1/length", "/2/width"]
    assert "got null" in response.json()["error"]


D, W = "dataframe_split", ["length", "width"]


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        ([], "", "the body must be an object with one of dataframe_split, dataframe_records"),
        ({"data": {"length": [1]}}, "", "must be an object with one of dataframe_split"),
        ({D: []}, f"/{D}", 'must be {"columns": [names...], "data": [[values...], ...]}, got []'),
        ({D: {**SPLIT, "name": 1}}, f"/{D}/name", "is no part of a table"),
        (
            {D: {"data": [[1, 2]]}},
            f"/{D}/columns",
            "must be a list of the columns' names, got null",
        ),
        ({D: {"columns": W}}, f"/{D}/data", "must be [[values...], ...] with at least one row"),
        ({D: {"columns": W, "data": []}}, f"/{D}/data", "with at least one row, got []"),
        ({D: {"columns": W, "data": [[1, 2], 5]}}, f"/{D}/data/1", "must be a list, one row of"),
        ({D: {**SPLIT, "index": [0]}}, f"/{D}/index", "a label for each of the 2 rows, got [0]"),
        ({D: {**SPLIT, "index": "ab"}}, f"/{D}/index", "a label for each of the 2 rows"),
        ({D: {"columns": [*W, "width"], "data": [[1, 2, 3]]}}, f"/{D}/columns/2", "named once"),
        ({D: {"columns": [*W, ["x"]], "data": [[1, 2, 3]]}}, f"/{D}/columns/2", "must be a text"),
        ({D: {"columns": W, "data": [[1, 2], [1, 2, 3]]}}, f"/{D}/data/1", "row 1 has 3 values"),
        ({D: {"columns": W, "data": [[1], [1]]}}, f"/{D}/data", "no row has more than 1 values"),
        (
            {D: {"columns": W, "data": [[1, 2], [1]]}},
            f"/{D}/data/1/1",
            "row 1: expected a finite number",
        ),
        ({D: {"columns": W[::-1], "data": [[2, "a"]]}}, f"/{D}/data/0/1", "got 'a'"),
        ({D: {"columns": ["length"], "data": [[2]]}}, f"/{D}/columns", "'width' is missing"),
        ({"dataframe_records": {"length": 1}}, "/dataframe_records", 'must be [{"column": value'),
        ({"dataframe_records": []}, "/dataframe_records", "with at least one row, got []"),
        ({"dataframe_records": [None]}, "/dataframe_records/0", "must be an object, one row of"),
        ({"dataframe_records": [{"length": 1}]}, "/dataframe_records", "'width' is missing"),
        ({"dataframe_records": [RECORDS[0], {}]}, "/dataframe_records/1/length", "got null"),
        ({"inputs": [[1, 2]]}, "/inputs/0", "must be an object, one row of"),
        ({"inputs": 5}, "/inputs", "with at least one row, got 5"),
        ({"inputs": {"length": 1}}, "/inputs/width", "'width' is missing"),
        ({"inputs": {"length": [1], "width": [1, 2]}}, "/inputs/width", "equally long"),
        ({"inputs": {"length": [1], "width": ["a"]}}, "/inputs/width/0", "got 'a'"),
        ({"inputs": {"length": [[1]], "width": [2]}}, "/inputs/length/0", "got [1]"),
        ({"inputs": {"length": 1, "width": None}}, "/inputs/width", "expected a finite number"),
        ({"instances": [{"length": 1, "width": "a"}]}, "/instances/0/width", "got 'a'"),
    ],
)
def test_a_mistake_is_told_with_its_place(
    client: Client, body: Any, path: str, message: str
) -> None:
    response = invoke(client, body)
    assert path in paths(response)
    assert message in response.json()["fields"][0]["error"]


def test_two_forms_at_once_are_both_named(client: Client) -> None:
    response = invoke(client, {"inputs": FIELDS, "instances": FIELDS})
    assert paths(response) == ["/inputs", "/instances"]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "not JSON"),
        (b'{"inputs": {"length": NaN, "width": 1}}', 422, "a finite number"),
        (b'{"inputs": {"length": 1, "length": 1, "width": 1}}', 422, "more than once"),
    ],
)
def test_a_body_that_cant_be_read_is_refused(
    client: Client, body: bytes, status: int, message: str
) -> None:
    response = invoke(client, body)
    assert (response.status_code, message in response.json()["error"]) == (status, True)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"inputs": {"length": [1, NaN], "width": [1, 2]}}', "/inputs/length/1"),
        (
            b'{"dataframe_records": [{"length": -Infinity, "width": 1}]}',
            "/dataframe_records/0/length",
        ),
        (b'{"inputs": {"length": 1, "length": 1, "width": 1}}', "/inputs/length"),
    ],
)
def test_the_place_of_what_json_does_not_have_is_told(
    client: Client, body: bytes, place: str
) -> None:
    assert paths(invoke(client, body)) == [place]


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        (b"", 422, "the body is empty"),
        (b"length,width\n", 422, "there are no rows"),
        (b"length,width\n1,2,3\n", 422, "row 0 has 3 values, but there are 2 columns"),
        (b"length,width\n1\n", 422, "no row has more than 1 values"),
        (b'length,width\n1,"2\n', 400, "not CSV"),
        (b"length,width\n1,\xff\n", 400, "not CSV in UTF-8"),
        (b"length;width\n1;2\n", 422, "'length' is missing"),
        (b"length,width\n1,warm\n", 422, "got 'warm'"),
    ],
)
def test_a_wrong_csv_is_told_what_to_mend(
    client: Client, text: bytes, status: int, message: str
) -> None:
    response = invoke(client, text, "text/csv")
    assert (response.status_code, message in response.json()["error"]) == (status, True)


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/vnd.apache.parquet",
        "application/json; charset=latin-1",
        "application/json; version=1",
        "text/csv; charset=utf-16",
    ],
)
def test_another_content_type_is_refused(client: Client, kind: str) -> None:
    assert invoke(client, {"inputs": FIELDS}, kind).status_code == 415


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({D: {"columns": W, "data": [[1, 2]] * 3}}, f"/{D}/data"),
        ({"dataframe_records": [{}] * 3}, "/dataframe_records"),
        ({"inputs": {"length": 1, "width": 2, "x": [0] * 3}}, "/inputs"),
        ({"inputs": {"x": [0], "length": [1] * 3, "width": [2] * 3}}, "/inputs/length"),
    ],
)
def test_more_rows_than_the_limit_are_refused(model: Model, body: Any, path: str) -> None:
    response = invoke(client_of(model, {"MAX_ROWS": "2"}), body)
    assert paths(response) == [path]
    assert "at most 2 are taken" in response.json()["error"]


def test_a_long_csv_is_refused(model: Model) -> None:
    response = invoke(client_of(model, {"MAX_ROWS": "2"}), b"length\n1\n2\n3\n", "text/csv")
    assert "the table has 3 rows; at most 2 are taken" in response.json()["error"]
