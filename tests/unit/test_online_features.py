"""`/predict/feast`: features out of the store, and what is told if they do not count."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from serving.runtime.model import Model
from tests.unit.http_cases import client_of
from tests.unit.request_cases import write_classifier
from tests.unit.store_cases import LATEST, FeatureServer, playing

AT = "2024-01-09T00:00:00"


@pytest.fixture
def store(forecaster: Model) -> Iterator[FeatureServer]:
    """A store of three units, whose features come in another order than the model's."""
    names = [*reversed(forecaster.manifest.feature_names)]
    values = np.random.default_rng(2).normal(size=(3, len(names))).astype(np.float32)
    rows = dict(zip("123", values.tolist(), strict=True))
    with playing(FeatureServer(names, rows)) as server:
        yield server


def ask(model: Model, store: FeatureServer, **content: Any) -> httpx.Response:
    question = {"time_point": AT, "entities": [1, 2, 3], **content}
    return client_of(model, store.settings).post("/predict/feast", json=question)


def told(response: httpx.Response) -> list[tuple[str, str]]:
    assert response.status_code == 422, response.text
    return [(one["path"], one["error"]) for one in response.json()["fields"]]


def put(store: FeatureServer, entity: str, position: int, value: object) -> str:
    """Changes a value in the store; returns the feature's name."""
    row = [*store.rows[entity]]
    row[position] = value
    store.rows = {**store.rows, entity: row}
    return store.names[position]


def test_answers_what_the_model_says_to_the_features(
    forecaster: Model, store: FeatureServer
) -> None:
    answer = ask(forecaster, store, entities=[2, "1"]).json()
    features = np.array([store.rows["2"], store.rows["1"]], np.float32)[:, ::-1]
    assert [one.pop("values") for one in answer["predictions"]] == forecaster.predict(
        np.ascontiguousarray(features)
    ).tolist()
    hours = [f"2024-01-09T0{hour}:00:00Z" for hour in (1, 2, 3)]
    assert answer == {
        "model": {"name": "heat", "version": "3"},
        "predictions": [
            {"entity": entity, "origin": LATEST, "timestamps": hours} for entity in ("2", "1")
        ],
    }


def test_the_store_is_asked_for_the_features_of_the_version(
    forecaster: Model, store: FeatureServer
) -> None:
    ask(forecaster, store, entities=[1, "3"])
    assert store.asked == [{"feature_service": "heat_v3", "entities": {"entity": ["1", "3"]}}]


def test_a_model_of_rows_takes_features_of_any_age(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    model = write_classifier(tmp_path_factory.mktemp("models") / "flower")
    rows = {"7": [2.5, 1.5]}
    with playing(FeatureServer(["width", "length"], rows, time="1970-01-01T00:00:00Z")) as store:
        answer = ask(model, store, entities=[7]).json()
    record = {"length": 1.5, "width": 2.5}
    assert answer == client_of(model).post("/predict", json=record).json()


def test_an_unknown_entity_is_named(forecaster: Model, store: FeatureServer) -> None:
    problems = told(ask(forecaster, store, entities=[1, "nobody", 2]))
    assert problems == [("/entities/1", "entity 'nobody' is not known to the feature store")]


def test_features_live_for_exactly_two_steps(forecaster: Model, store: FeatureServer) -> None:
    assert ask(forecaster, store, time_point="2024-01-09T02:00:00").status_code == 200
    problems = told(ask(forecaster, store, time_point="2024-01-09T02:00:01", entities=[3]))
    assert [path for path, _ in problems] == ["/entities/0"]
    for part in (
        "'3'",
        "2024-01-09T00:00:00Z",
        "too old for 2024-01-09T02:00:01Z",
        "2 steps of 1h",
    ):
        assert part in problems[0][1]


def test_features_from_after_the_time_point_are_refused(
    forecaster: Model, store: FeatureServer
) -> None:
    ((path, message),) = told(
        ask(forecaster, store, time_point="2024-01-08T23:59:59", entities=[2])
    )
    assert path == "/entities/0"
    assert "2024-01-09T00:00:00Z, later than 2024-01-08T23:59:59Z" in message


def test_a_time_point_without_an_offset_is_local_time_of_the_model(
    forecaster: Model, store: FeatureServer
) -> None:
    manifest = forecaster.manifest.model_copy(update={"timezone": "Asia/Tokyo"})
    tokyo = Model(manifest, forecaster.predictor)
    assert ask(tokyo, store, time_point="2024-01-09T09:00:00").status_code == 200
    assert ask(tokyo, store, time_point="2024-01-09T00:00:00Z").status_code == 200
    assert (
        "later than 2024-01-08T23:59:59Z"
        in ask(tokyo, store, time_point="2024-01-09 08:59:59").text
    )


@pytest.mark.parametrize("value", [None, "NaN", "Infinity", 1e39, True, "12"])
def test_a_feature_without_a_finite_number_is_named(
    forecaster: Model, store: FeatureServer, value: object
) -> None:
    names = [put(store, "2", position, value) for position in (0, 2)]
    problems = told(ask(forecaster, store))
    assert problems == [
        (
            "/entities/1",
            f"entity '2' has no finite number in the feature store for {names[1]}, {names[0]}",
        )
    ]


def test_a_feature_that_the_store_has_not_found_is_missing(
    forecaster: Model, store: FeatureServer
) -> None:
    name = put(store, "2", 1, None)
    store.statuses["2", name] = "NOT_FOUND"
    assert told(ask(forecaster, store)) == [
        ("/entities/1", f"entity '2' has no finite number in the feature store for {name}")
    ]


def test_a_feature_that_the_store_calls_too_old_is_refused(
    forecaster: Model, store: FeatureServer
) -> None:
    store.statuses["2", store.names[1]] = "OUTSIDE_MAX_AGE"
    ((path, message),) = told(ask(forecaster, store))
    assert (path, "too old" in message) == ("/entities/1", True)


def test_features_of_different_times_make_no_forecast(
    forecaster: Model, store: FeatureServer
) -> None:
    store.times["2", store.names[1]] = "2024-01-08T23:00:00Z"
    ((path, message),) = told(ask(forecaster, store))
    assert path == "/entities/1"
    assert "different times, from 2024-01-08T23:00:00Z to 2024-01-09T00:00:00Z" in message


def test_all_that_is_wrong_is_told_at_once(forecaster: Model, store: FeatureServer) -> None:
    put(store, "2", 0, None)
    for name in store.names:
        store.times["3", name] = "2024-01-08T00:00:00Z"
    response = ask(forecaster, store, entities=[9, 1, 2, 3])
    assert [path for path, _ in told(response)] == ["/entities/0", "/entities/2", "/entities/3"]
    assert response.json()["error"].endswith("(and 2 more)")


def test_stale_and_missing_features_are_counted(forecaster: Model, store: FeatureServer) -> None:
    put(store, "2", 0, None)
    for name in store.names:
        store.times["3", name] = "2024-01-08T00:00:00Z"
    client = client_of(forecaster, store.settings)
    client.post("/predict/feast", json={"time_point": AT, "entities": [1, 2, 3, 4]})
    metrics = client.get("/metrics").text
    assert f'model_features_stale_total{{model="heat"}} {len(store.names)}.0' in metrics
    assert 'model_inputs_missing_total{model="heat"} 1.0' in metrics


@pytest.mark.parametrize(
    ("content", "path", "message"),
    [
        ({"entities": []}, "/entities", "at least one id, got []"),
        ({"entities": "1"}, "/entities", "at least one id, got '1'"),
        ({"entities": None}, "/entities", "at least one id, got null"),
        ({"entities": [1, 2.0]}, "/entities/1", "expected an id (a text of printable letters"),
        ({"entities": [1, True]}, "/entities/1", "got true"),
        ({"entities": [1, ""]}, "/entities/1", "got ''"),
        ({"entities": [5, 1, "5"]}, "/entities/2", "entity '5' was asked for in row 0 already"),
        ({"entities": [*range(9)]}, "/entities", "9 ids; at most 5 are taken"),
        ({"time_point": 17}, "/time_point", "expected a timestamp"),
        ({"time_point": None}, "/time_point", "got null"),
        ({"time_point": "noon"}, "/time_point", "field 'time_point', 'noon': not a timestamp"),
        ({"time_point": "2024-02-30"}, "/time_point", "no such date"),
        ({"time_point": "3024-02-03"}, "/time_point", "between 1678 and 2261"),
        ({"more": 1}, "/more", "unknown field 'more'; allowed are time_point, entities"),
        ({"\ud800": 1}, "/\ud800", "unknown field"),
    ],
)
def test_a_wrong_field_is_named_by_its_path(
    forecaster: Model, store: FeatureServer, content: dict[str, Any], path: str, message: str
) -> None:
    client = client_of(forecaster, {**store.settings, "MAX_ROWS": "5"})
    body = json.dumps({"time_point": AT, "entities": [1], **content})
    kind = {"content-type": "application/json"}
    response = client.post("/predict/feast", content=body, headers=kind)
    ((told_path, told_message),) = told(response)
    assert told_path == path
    assert message in told_message
    assert store.asked == []


def test_all_wrong_fields_are_named_at_once(forecaster: Model, store: FeatureServer) -> None:
    client = client_of(forecaster, store.settings)
    response = client.post("/predict/feast", json={"entities": [1, None], "at": AT})
    assert [path for path, _ in told(response)] == ["/at", "/time_point", "/entities/1"]


@pytest.mark.parametrize(
    ("body", "status"), [(b"", 400), (b"[1]", 422), (b'{"entities": [NaN]}', 422)]
)
def test_a_body_of_another_structure_is_refused(
    forecaster: Model, store: FeatureServer, body: bytes, status: int
) -> None:
    client = client_of(forecaster, store.settings)
    kind = {"content-type": "application/json"}
    assert client.post("/predict/feast", content=body, headers=kind).status_code == status


def test_without_a_store_the_operator_is_told_how_to_switch_it_on(forecaster: Model) -> None:
    response = client_of(forecaster).post("/predict/feast", json={})
    assert response.status_code == 404
    for part in ("FEAST_ONLINE_ENABLED=true", "FEAST_ONLINE_URL"):
        assert part in response.json()["error"]
