"""Bodies and headers of requests: what is read, and what a wrong one is answered."""

import pytest

from serving.runtime.model import Model
from tests.unit.http_cases import Client, client_of
from tests.unit.request_cases import forecasts, history, with_value, write_classifier


@pytest.fixture(scope="module")
def client(forecaster: Model) -> Client:
    return client_of(forecaster)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Client:
    return client_of(write_classifier(tmp_path_factory.mktemp("models") / "flower"))


def test_the_service_answers_with_the_model_and_its_forecasts(
    client: Client, forecaster: Model
) -> None:
    response = client.post("/predict", json={"data": history()})
    assert response.status_code == 200
    assert response.json() == {
        "model": {"name": "heat", "version": "3"},
        "predictions": [vars(forecasts(forecaster, history())[0])],
    }


def test_a_flat_record_is_one_row(classifier: Client) -> None:
    record = classifier.post("/predict", json={"length": 1.5, "width": 2})
    columns = classifier.post("/predict", json={"data": {"length": [1.5], "width": [2]}})
    assert record.json() == columns.json()
    assert len(record.json()["predictions"]) == 1


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "the body is empty; send JSON"),
        (b"{", 400, "not JSON"),
        (b"\xff\xfe\x00", 400, "not JSON"),
        (b"[" * 200_000, 400, "nested too deep"),
        (b"[]", 422, "must be an object"),
        (b'{"OT": [1]}', 422, "lists of values belong into"),
        (b'{"data": [1]}', 422, "object of columns"),
        (b'{"data": {}, "more": 1}', 422, "beside \"data\" there must be nothing, got 'more'"),
        (b'{"data": {"OT": [1], "OT": [2]}}', 422, "'OT' stands there more than once"),
        (b'{"data": {"OT": [1]}}', 422, "column 'date' is missing; needed are date, load, OT"),
        (b'{"data": {"\\ud800": [1]}}', 422, "unknown column"),
    ],
)
def test_a_wrong_body_is_told_what_to_mend(
    client: Client, body: bytes, status: int, message: str
) -> None:
    response = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert response.status_code == status
    assert message in response.json()["error"]


def test_each_wrong_field_is_named_by_its_path(client: Client) -> None:
    data = with_value(with_value(history(), "OT", 3, "warm"), "date", 5, "noon")
    answer = client.post("/predict", json={"data": data}).json()
    assert [field["path"] for field in answer["fields"]] == ["/data/date/5", "/data/OT/3"]
    assert "'warm'" in answer["fields"][1]["error"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000])
def test_what_is_no_finite_number_is_named_by_its_path(classifier: Client, number: str) -> None:
    body = f'{{"data": {{"length": [1, {number}], "width": [2, 3]}}}}'
    response = classifier.post(
        "/predict", content=body, headers={"content-type": "application/json"}
    )
    assert response.status_code == 422
    assert [field["path"] for field in response.json()["fields"]] == ["/data/length/1"]


def test_a_field_that_is_there_twice_is_named_by_its_path(classifier: Client) -> None:
    body = b'{"data": {"length": [1], "width": [2], "length": [3]}}'
    response = classifier.post(
        "/predict", content=body, headers={"content-type": "application/json"}
    )
    assert [field["path"] for field in response.json()["fields"]] == ["/data/length"]


def test_of_many_unknown_columns_some_are_named(classifier: Client) -> None:
    columns = {f"column_{number}": [1] for number in range(5000)}
    answer = classifier.post("/predict", json={"data": columns}).json()
    assert "one of 5000 such" in answer["error"]
    assert len(answer["fields"]) == 50


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_other_charsets_and_compressed_bodies_are_refused(
    client: Client, headers: dict[str, str]
) -> None:
    assert client.post("/predict", content=b"{}", headers=headers).status_code == 415


def test_a_reading_too_large_for_differences_is_told_with_its_place(client: Client) -> None:
    response = client.post("/predict", json={"data": with_value(history(), "OT", 29, 3e38)})
    assert response.status_code == 422
    (field,) = response.json()["fields"]
    assert field["path"] == "/data/OT/29"
    assert "at most 1.0e+38" in field["error"]


def test_a_name_too_long_to_be_repeated_is_left_out(client: Client) -> None:
    response = client.post("/predict", json={"data": {"x" * 1_000_000: [1]}})
    assert response.status_code == 422
    assert response.json()["fields"][0]["path"] == "/data"
    assert len(response.content) < 5000


def test_mistakes_that_were_not_counted_are_many(client: Client) -> None:
    counts = {3: "(and 2 more)", 30: "(and many more)"}
    for wrong, told in counts.items():
        data = {**history(), "OT": ["warm"] * wrong + [1.0] * (30 - wrong)}
        assert client.post("/predict", json={"data": data}).json()["error"].endswith(told)


@pytest.mark.parametrize("kind", ["application/vnd.bentoml+pickle", "text/csv", ""])
def test_only_json_is_read(client: Client, kind: str) -> None:
    response = client.post("/predict", content=b"{}", headers={"content-type": kind})
    assert response.status_code == 415
    assert "application/json" in response.json()["error"]


def test_another_method_is_refused_as_json(client: Client) -> None:
    response = client.get("/predict")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert "error" in response.json()


def test_an_unknown_address_tells_the_known_ones(client: Client) -> None:
    response = client.get("/forecast")
    assert response.status_code == 404
    assert "/predict" in response.json()["error"]


def test_a_body_over_the_limit_is_refused(forecaster: Model) -> None:
    small = client_of(forecaster, {"MAX_BODY_BYTES": "1000"})
    response = small.post("/predict", json={"data": history()})
    assert (response.status_code, "1000 bytes" in response.json()["error"]) == (413, True)


def test_more_rows_than_the_limit_are_refused(forecaster: Model) -> None:
    small = client_of(forecaster, {"MAX_ROWS": "20"})
    response = small.post("/predict", json={"data": history()})
    assert response.status_code == 422
    assert response.json()["fields"][0]["path"] == "/data/date"
    assert "at most 20" in response.json()["error"]


def test_a_reply_names_its_request(client: Client) -> None:
    ours = client.post("/predict", json={}).headers["x-request-id"]
    named = client.post("/predict", json={}, headers={"x-request-id": "order-17"})
    assert len(ours) == 16
    assert named.headers["x-request-id"] == named.json()["request_id"] == "order-17"
    harmful = client.post("/predict", json={}, headers={"x-request-id": "a b\tc"})
    assert harmful.headers["x-request-id"] != "a b\tc"
