"""A feature store that is of no use: out of reach, slow, or with another answer than Feast's."""

import asyncio
import base64
import json
import logging
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import AnyHttpUrl

from serving.runtime.model import Model
from serving.runtime.online_store import OnlineStore
from tests.unit.http_cases import client_of
from tests.unit.store_cases import LATEST, FeatureServer, playing

QUESTION = {"time_point": "2024-01-09T00:00:00", "entities": [1]}


@pytest.fixture
def store(forecaster: Model) -> Iterator[FeatureServer]:
    names = forecaster.manifest.feature_names
    with playing(FeatureServer(names, {"1": [1.0] * len(names)})) as server:
        yield server


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def ask(model: Model, store: FeatureServer, **settings: str) -> httpx.Response:
    return client_of(model, {**store.settings, **settings}).post("/predict/feast", json=QUESTION)


def refusal(response: httpx.Response) -> str:
    assert response.status_code == 503, response.text
    assert int(response.headers["retry-after"]) > 0
    return str(response.json()["error"])


def answer_of(forecaster: Model, store: FeatureServer) -> dict[str, Any]:
    """A right answer, to be spoilt."""
    answer: dict[str, Any] = json.loads(store.answer({"entities": {"entity": ["1"]}}))
    return answer


def test_a_store_out_of_reach_is_told_without_its_credentials(
    forecaster: Model, closed_port: int
) -> None:
    url = f"http://reader:secret@127.0.0.1:{closed_port}/token"
    settings = {"FEAST_ONLINE_ENABLED": "true", "FEAST_ONLINE_URL": url}
    message = refusal(client_of(forecaster, settings).post("/predict/feast", json=QUESTION))
    assert message == ("the feature store is out of reach; try again later")


def test_a_slow_store_is_not_waited_for(forecaster: Model, store: FeatureServer) -> None:
    store.pause = 1.0
    message = refusal(ask(forecaster, store, FEAST_ONLINE_SECONDS="0.1"))
    assert "did not answer within 0.1 s" in message


@pytest.mark.parametrize("status", [204, 307, 401, 404, 500])
def test_another_status_than_200_is_told(
    forecaster: Model, store: FeatureServer, status: int
) -> None:
    store.status = status
    assert f"answers with status {status};" in refusal(ask(forecaster, store))


def test_a_version_whose_features_were_not_applied_is_told(
    forecaster: Model, store: FeatureServer
) -> None:
    store.status = 404
    detail = {"module": "feast.errors", "class": "FeatureServiceNotFoundException", "message": ""}
    store.body = json.dumps(json.dumps(detail)).encode()
    message = refusal(ask(forecaster, store))
    assert "no feature service 'heat_v3'" in message
    assert "not applied there" in message


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[]", b"{}", b'{"results": []}'])
def test_garbage_is_no_answer(forecaster: Model, store: FeatureServer, body: bytes) -> None:
    store.body = body
    assert "not one of Feast's" in refusal(ask(forecaster, store))


def test_an_answer_without_a_feature_of_the_model_is_of_no_use(
    forecaster: Model, store: FeatureServer
) -> None:
    store.names = store.names[:-1]
    name = forecaster.manifest.feature_names[-1]
    assert f"it has no feature {name!r}" in refusal(ask(forecaster, store))


@pytest.mark.parametrize("part", ["values", "statuses", "event_timestamps"])
def test_an_answer_about_other_entities_is_of_no_use(
    forecaster: Model, store: FeatureServer, part: str
) -> None:
    answer = answer_of(forecaster, store)
    answer["results"][1][part] *= 2
    store.body = json.dumps(answer).encode()
    assert "not about 1 entities" in refusal(ask(forecaster, store))


def test_an_event_time_that_cant_be_read_is_of_no_use(
    forecaster: Model, store: FeatureServer
) -> None:
    answer = answer_of(forecaster, store)
    answer["results"][1]["event_timestamps"] = ["soon"]
    store.body = json.dumps(answer).encode()
    message = refusal(ask(forecaster, store))
    assert "a time that can't be read" in message
    assert "soon" not in message


def test_a_server_that_breaks_off_is_told(forecaster: Model) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def ask() -> httpx.Response:
        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            settings = {"FEAST_ONLINE_ENABLED": "true", "FEAST_ONLINE_URL": url}
            async with client_of(forecaster, settings).opened() as client:
                return await client.post("/predict/feast", json=QUESTION)

    assert "broke off its answer" in refusal(asyncio.run(ask()))


def test_a_proxy_of_the_environment_is_not_asked(
    forecaster: Model, store: FeatureServer, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port}")
    assert ask(forecaster, store).status_code == 200


def test_credentials_of_the_address_are_shown_to_the_store_only(
    forecaster: Model, store: FeatureServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"http://reader:p%40ss@127.0.0.1:{store.port}"
    assert ask(forecaster, store, FEAST_ONLINE_URL=url).status_code == 200
    expected = base64.b64encode(b"reader:p@ss").decode()
    assert store.headers[0]["Authorization"] == f"Basic {expected}"
    assert "p%40ss" not in caplog.text


def test_several_requests_share_the_connections(forecaster: Model, store: FeatureServer) -> None:
    async def ask() -> list[int]:
        async with client_of(forecaster, store.settings).opened() as client:
            questions = [client.post("/predict/feast", json=QUESTION) for _ in range(8)]
            answers = [*await asyncio.gather(*questions)]
            answers.append(await client.post("/predict/feast", json=QUESTION))
            return [answer.status_code for answer in answers]

    assert asyncio.run(ask()) == [200] * 9


def test_a_large_answer_is_read_too(forecaster: Model, store: FeatureServer) -> None:
    entities = [str(number) for number in range(2_000)]
    store.rows = {one: [float(one)] * len(store.names) for one in entities}
    question = {"time_point": LATEST, "entities": entities}
    answer = client_of(forecaster, store.settings).post("/predict/feast", json=question).json()
    assert [one["entity"] for one in answer["predictions"]] == entities


def test_a_service_is_ready_only_while_its_store_answers(
    forecaster: Model, store: FeatureServer
) -> None:
    assert client_of(forecaster, store.settings).get("/readyz").status_code == 200
    store.status = 503
    refused = client_of(forecaster, store.settings).get("/readyz")
    assert "feature store does not answer" in refusal(refused)
    assert client_of(forecaster, store.settings).get("/livez").status_code == 200


def is_reachable(port: int, *, seconds: float = 2.0) -> bool:
    url = AnyHttpUrl(f"http://127.0.0.1:{port}")
    return asyncio.run(OnlineStore(url, seconds=seconds, connections=1).is_reachable())


def test_a_store_that_says_it_is_well_is_reachable(store: FeatureServer) -> None:
    assert is_reachable(store.port)


def test_a_store_that_is_unwell_slow_or_away_is_not_reachable(
    store: FeatureServer, closed_port: int
) -> None:
    assert not is_reachable(closed_port)
    store.pause = 1.0
    assert not is_reachable(store.port, seconds=0.1)
    store.pause, store.status = 0.0, 503
    assert not is_reachable(store.port)
