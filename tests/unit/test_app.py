"""The HTTP side of the service: bodies, status codes and errors."""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from serving.runtime.app import create_app
from serving.runtime.model import Model
from serving.runtime.served import ServedModel
from tests.unit.request_cases import forecasts, history, with_value, write_forecaster


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return write_forecaster(tmp_path_factory.mktemp("model"))


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
