"""What the service tells of itself: its health, its model card and its figures."""

import pytest

from serving.runtime.model import Model
from tests.unit.http_cases import Client, client_of, figure
from tests.unit.request_cases import forecasts, history, with_value


@pytest.fixture
def client(forecaster: Model) -> Client:
    return client_of(forecaster)


def test_health_names_the_model_and_the_digest_of_its_manifest(client: Client) -> None:
    health = client.get("/health").json()
    assert (health["status"], health["model"]["name"], health["model"]["version"]) == (
        "ok",
        "heat",
        "3",
    )
    assert len(health["model"]["digest"]) == 64


def test_a_service_that_is_told_to_stop_is_alive_but_not_ready(client: Client) -> None:
    assert client.get("/readyz").status_code == 200
    client.application.drain.has_begun = True
    assert client.get("/livez").status_code == 200
    refused = client.get("/readyz")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert "about to end" in refused.json()["error"]


def test_a_service_that_is_told_to_stop_answers_and_ends_its_connections(client: Client) -> None:
    assert "connection" not in client.post("/predict", json={"data": history()}).headers
    client.application.drain.has_begun = True
    answer = client.post("/predict", json={"data": history()})
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")


def test_the_card_tells_what_was_measured_and_what_is_expected(client: Client) -> None:
    card = client.get("/model").json()
    assert card["model"] == {"name": "heat", "version": "3"}
    assert card["metrics"] == {"test_rmse": 1.5}
    assert [column["name"] for column in card["inputs"]] == ["load", "OT"]
    assert card["forecast"]["lookback"] == 30
    assert card["limits"]["max_rows"] == 100_000


def line(client: Client, name: str) -> float:
    """A figure of `/metrics`."""
    return figure(client.get("/metrics").text, name)


def test_requests_errors_rows_and_predictions_are_counted(
    client: Client, forecaster: Model
) -> None:
    client.post("/predict", json={"data": history()})
    client.post("/predict", json={"data": {}})
    assert line(client, 'http_requests_total{route="/predict",status="200"}') == 1
    assert line(client, 'http_requests_total{route="/predict",status="422"}') == 1
    assert line(client, 'http_request_duration_seconds_count{route="/predict"}') == 2
    assert line(client, "http_requests_in_progress") == 0
    assert line(client, 'model_batch_rows_count{model="heat"}') == 1
    values = forecasts(forecaster, history())[0].values
    assert line(client, 'model_predictions_count{model="heat"}') == len(values)
    info = 'model_info{data_version="d1",name="heat",version="3"}'
    assert line(client, info) == 1


def test_missing_readings_and_inputs_outside_of_the_training_range_are_counted(
    client: Client, forecaster: Model
) -> None:
    ranges = {"load": (-100.0, 100.0), "OT": (-100.0, 100.0)}
    manifest = forecaster.manifest.model_copy(update={"input_ranges": ranges})
    ranged = client_of(Model(manifest, forecaster.predictor))
    data = with_value(with_value(history(), "OT", 20, 500.0), "load", 3, None)
    assert ranged.post("/predict", json={"data": data}).status_code == 200
    assert line(ranged, 'model_inputs_outside_training_total{column="OT",model="heat"}') == 1
    assert line(ranged, 'model_inputs_missing_total{model="heat"}') == 1


def test_an_unknown_address_makes_no_series_of_its_own(client: Client) -> None:
    client.get("/secret-4711")
    assert "4711" not in client.get("/metrics").text
    assert line(client, 'http_requests_total{route="other",status="404"}') == 1
