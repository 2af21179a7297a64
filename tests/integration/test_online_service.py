"""`/predict/feast` with Feast's own feature server, on what the jobs wrote."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import AnyHttpUrl

from ml_assets.core.names import EVENT_TIMESTAMP, KEYS
from ml_assets.core.spec import PipelineSpec
from serving.runtime.http.start import create_application
from serving.runtime.model import Model
from serving.runtime.online_store import OnlineStore
from serving.runtime.release_notes import ReleaseNotes
from serving.runtime.served import ServedModel
from serving.runtime.settings import ServiceSettings
from tests.integration.feast_cases import table_of, write
from tests.integration.feature_server import serving_features
from tests.integration.workplace import SIMULATED, TRANSFORMER, Workplace, read_spec
from tests.unit.http_cases import Client
from tests.unit.request_cases import write_bundle

HOUR = pd.Timedelta(hours=1)


@dataclass(frozen=True)
class Online:
    """A promoted forecast, a model of rows, and the feature server that knows both.

    Attributes:
        forecast: The forecast.
        rows: The model of rows.
        table: The features of the model of rows.
        latest: Entity and time of the latest feature row of each entity of the forecast.
        joined: The features of these rows, as the training would get them.
        url: The feature server.
    """

    forecast: ServedModel
    rows: ServedModel
    table: pd.DataFrame
    latest: pd.DataFrame
    joined: pd.DataFrame
    url: str

    def ask(self, served: ServedModel, **question: Any) -> tuple[int, Any]:
        """Status and content of an answer."""
        variables = {"FEAST_ONLINE_ENABLED": "true", "FEAST_ONLINE_URL": self.url}
        # The first question to the server makes its connections.
        settings = ServiceSettings.read({**variables, "FEAST_ONLINE_SECONDS": "30"})
        application = create_application(served, settings, notes=ReleaseNotes())
        response = Client(application).post("/predict/feast", json=question)
        return response.status_code, response.json()

    @property
    def origin(self) -> pd.Timestamp:
        """The time of the forecast's latest features, which all entities have in common."""
        (time,) = self.latest[EVENT_TIMESTAMP].unique()
        return pd.Timestamp(time)


@pytest.fixture(scope="module")
def online(promoted: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Online]:
    directory = tmp_path_factory.mktemp("online")
    assert promoted.execute(TRANSFORMER, "ingest", source=SIMULATED).success
    version, spec = promoted.version(TRANSFORMER), read_spec(TRANSFORMER)
    forecast = Model.load(promoted.registry.bundle(version, directory / "bundle"))
    features = promoted.file(TRANSFORMER, f"features/{spec.feature_view}.parquet")
    keys = pd.read_parquet(features, columns=KEYS)
    latest = keys.sort_values(EVENT_TIMESTAMP).drop_duplicates("entity", keep="last")
    store = promoted.feature_store
    joined = store.training_join(spec, latest)[[*spec.feature_names]]
    rows = PipelineSpec.model_validate(
        {
            "name": "flower",
            "task": "regression",
            "source": {"uri": "sklearn://iris"},
            "columns": {"target": "height", "inputs": ["petal width", "length"]},
        }
    )
    table = table_of(rows, [(str(row), pd.Timestamp(0, tz="UTC")) for row in range(9)])
    store.materialize(rows, write(table, directory / "rows.parquet"))
    store.register_service(rows, 4)
    with serving_features(Path(store.home), log=directory / "feast.log") as url:
        yield Online(
            ServedModel(forecast, str(version.version)),
            ServedModel(bundle_of(rows, directory / "rows"), "4"),
            table,
            latest,
            joined,
            url,
        )


def bundle_of(spec: PipelineSpec, directory: Path) -> Model:
    columns = {"target": spec.columns.target, "inputs": spec.columns.inputs}
    manifest = {
        "name": spec.name,
        "task": spec.task,
        "columns": columns,
        "feature_names": spec.columns.inputs,
    }
    return write_bundle(directory, outputs=1, manifest=manifest)


def test_a_forecast_equals_that_of_the_offline_features(online: Online) -> None:
    entities = online.latest["entity"].tolist()
    time_point = (online.origin + HOUR).isoformat()
    status, answer = online.ask(online.forecast, time_point=time_point, entities=entities)
    assert status == 200, answer
    expected = online.forecast.model.predict(online.joined.to_numpy(np.float32))
    assert [one["values"] for one in answer["predictions"]] == expected.tolist()
    assert [one["entity"] for one in answer["predictions"]] == entities
    origin = online.origin.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert {one["origin"] for one in answer["predictions"]} == {origin}


def test_a_model_of_rows_answers_for_rows_of_the_store(online: Online) -> None:
    status, answer = online.ask(online.rows, time_point="2024-01-09", entities=[8, "2"])
    assert status == 200, answer
    features = online.table.loc[[8, 2], [*online.rows.model.manifest.feature_names]]
    expected = online.rows.model.predict(features.to_numpy(np.float32))
    assert answer["predictions"] == expected.tolist()


def test_an_unknown_entity_is_named(online: Online) -> None:
    entities = [*online.latest["entity"], "nobody"]
    status, answer = online.ask(
        online.forecast, time_point=online.origin.isoformat(), entities=entities
    )
    assert status == 422
    assert [one["path"] for one in answer["fields"]] == [f"/entities/{len(entities) - 1}"]
    assert "'nobody' is not known to the feature store" in answer["error"]


@pytest.mark.parametrize(("late", "message"), [(3, "too old for"), (-1, "later than")])
def test_features_of_another_time_are_named(online: Online, late: int, message: str) -> None:
    entities = online.latest["entity"].tolist()
    time_point = (online.origin + late * HOUR).isoformat()
    status, answer = online.ask(online.forecast, time_point=time_point, entities=entities)
    assert status == 422
    expected = [f"/entities/{position}" for position in range(len(entities))]
    assert [one["path"] for one in answer["fields"]] == expected
    assert all(message in one["error"] for one in answer["fields"])


def test_a_version_that_was_never_promoted_is_told(online: Online) -> None:
    unknown = ServedModel(online.forecast.model, "999")
    status, answer = online.ask(unknown, time_point="2024-01-09", entities=[1])
    assert status == 503
    assert f"no feature service '{TRANSFORMER}_v999'" in answer["error"]


def test_the_feature_server_is_reachable(online: Online) -> None:
    store = OnlineStore(AnyHttpUrl(online.url), seconds=10, connections=1)
    assert asyncio.run(store.is_reachable())
