"""A model is fitted, packaged as a Bento, served by `bentoml serve`, and asked over HTTP."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from ml_assets.core.dataset.simulator import simulate
from ml_assets.core.features.table import feature_table, series_of
from ml_assets.core.features.training_set import forecast_labels, load_training_set
from ml_assets.core.spec import PipelineSpec
from ml_assets.core.training.fitting import Fitted, fit, save
from serving.release import probe
from serving.release.packaging import BuiltBento, build_bento
from serving.release.probe import HOST, ProbeError, Service, probe_bento, serve_bento
from serving.runtime.features import compute_features
from serving.runtime.model import Model
from tests.unit.model_cases import REGISTERED

LOOKBACK = 48
READINGS = ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]
SPEC = PipelineSpec.model_validate(
    {
        "name": "heat",
        "task": "forecast",
        "source": {"uri": "simulated://transformers"},
        "columns": {
            "timestamp": "date",
            "entity": "transformer",
            "inputs": READINGS[:-1],
            "target": "OT",
        },
        "forecast": {"horizon": 6, "lookback": LOOKBACK, "max_gap": 3},
        "features": {
            "columns": {
                "OT": {"lags": [0, 1, 23], "rolling": [{"window": 24, "statistics": ["std"]}]},
                "HUFL": {"lags": [0], "differences": [24]},
            },
            "calendar": ["hour_of_day"],
        },
        "estimator": {"rounds": 20, "linear_base": True, "parameters": {"max_depth": 3}},
    }
)


@dataclass(frozen=True)
class Trained:
    """A fitted model, its files, and the readings that it comes from."""

    readings: pd.DataFrame
    fitted: Fitted
    directory: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    readings = simulate(entities=2, days=60, seed=3, missing=0.02)
    labels = forecast_labels(series_of(readings, SPEC), SPEC)
    rows = feature_table(readings, SPEC).merge(labels, on=["entity", "event_timestamp"])
    fitted = fit(load_training_set(rows, SPEC), SPEC)
    directory = tmp_path_factory.mktemp("model")
    save(fitted, directory, data_version="data1", input_ranges={})
    return Trained(readings, fitted, directory)


@pytest.fixture(scope="module")
def bento_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bentoml")


@pytest.fixture(scope="module")
def bento(trained: Trained, bento_home: Path) -> BuiltBento:
    return build_bento(trained.directory, version="3", created=REGISTERED, bento_home=bento_home)


@pytest.fixture(scope="module")
def service(bento: BuiltBento, bento_home: Path) -> Iterator[Service]:
    with serve_bento(bento.tag, bento_home=bento_home) as service:
        yield service


def columns(readings: pd.DataFrame) -> dict[str, list[Any]]:
    """Readings as a customer sends them: texts, and null for what is missing."""
    data: dict[str, list[Any]] = {
        "date": readings["date"].dt.strftime("%Y-%m-%d %H:%M:%S").tolist(),
        "transformer": readings["transformer"].tolist(),
    }
    for name in READINGS:
        data[name] = [None if np.isnan(value) else value for value in readings[name].tolist()]
    return data


def before(readings: pd.DataFrame, origin: np.datetime64) -> pd.DataFrame:
    """The rows of the lookback before an origin, and of the day before that."""
    end = pd.Timestamp(origin, tz="UTC")
    start = end - pd.Timedelta(hours=LOOKBACK + 24)
    return readings[readings["date"].between(start, end)]


def test_the_service_forecasts_what_the_batch_evaluation_does(
    trained: Trained, service: Service
) -> None:
    model = Model.load(trained.directory)
    series = series_of(trained.readings, SPEC)
    features = [compute_features(one, columns=READINGS, spec=SPEC.features) for one in series]
    complete = np.flatnonzero(np.isfinite(features).all(axis=(0, 2)))
    times = series[0].timestamps
    for row in np.random.default_rng(5).choice(complete[complete > 2 * LOOKBACK], 25):
        reply = service.predict(columns(before(trained.readings, times[row])))
        assert reply.status == 200, reply.content
        predictions: Any = reply.content["predictions"]
        assert [one["entity"] for one in predictions] == ["1", "2"]
        rows = [(times == np.datetime64(one["origin"][:-1])).argmax() for one in predictions]
        assert max(rows) == row
        expected = np.stack([one[at] for one, at in zip(features, rows, strict=True)])
        values = [one["values"] for one in predictions]
        np.testing.assert_allclose(values, model.predict(expected), rtol=0, atol=1e-6)
        np.testing.assert_allclose(values, trained.fitted.predict(expected), rtol=0, atol=1e-6)


def test_some_of_the_compared_histories_have_gaps(trained: Trained) -> None:
    hours = trained.readings.groupby("transformer")["date"].diff().dropna()
    assert (hours > pd.Timedelta(hours=1)).sum() >= 10


def test_the_answer_names_the_model_and_its_version(trained: Trained, service: Service) -> None:
    reply = service.predict(columns(trained.readings.tail(200)))
    assert reply.content["model"] == {"name": "heat", "version": "3"}


def test_wrong_input_is_told_what_to_mend(trained: Trained, service: Service) -> None:
    data = columns(trained.readings.tail(200))
    reply = service.predict({**data, "OT": [*data["OT"][:-1], "warm"]})
    assert reply.status == 422
    assert "column 'OT', row 199" in str(reply.content["error"])


def test_a_pickle_is_refused_unread(service: Service) -> None:
    connection = HTTPConnection(HOST, service.port, timeout=10)
    kind = {"Content-Type": "application/vnd.bentoml+pickle"}
    connection.request("POST", "/predict", b"\x80\x04N.", kind)
    response = connection.getresponse()
    assert (response.status, "application/json" in response.read().decode()) == (415, True)


def test_nothing_listens_but_the_port_of_the_service(service: Service) -> None:
    above = psutil.Process(service.process.pid)
    listening = {
        connection.laddr.port
        for process in (above, *above.children(recursive=True))
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {service.port}


def test_a_bento_can_be_served_from_its_directory(
    trained: Trained, bento: BuiltBento, bento_home: Path
) -> None:
    data = columns(trained.readings.tail(200))
    answer = probe_bento(str(bento.path), data, bento_home=bento_home)
    assert answer["model"] == {"name": "heat", "version": "3"}


def test_a_port_that_is_taken_meanwhile_is_exchanged_for_another(
    bento: BuiltBento, bento_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server((HOST, 0)) as other, socket.socket() as free:
        free.bind((HOST, 0))
        ports = [port(other), port(other), port(free)]
        free.close()
        monkeypatch.setattr(probe, "free_ports", lambda _: [ports.pop(0)])
        with serve_bento(bento.tag, bento_home=bento_home) as service:
            assert service.is_ready()
    assert not ports


def test_ports_that_are_always_taken_end_in_an_error(
    bento: BuiltBento, bento_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server((HOST, 0)) as other:
        monkeypatch.setattr(probe, "free_ports", lambda _: [port(other)])
        with (
            pytest.raises(ProbeError, match="in use"),
            serve_bento(bento.tag, bento_home=bento_home),
        ):
            pass


def port(bound: socket.socket) -> int:
    number: int = bound.getsockname()[1]
    return number


def test_a_bento_that_is_not_there_is_an_error_with_bentomls_reason(bento_home: Path) -> None:
    with pytest.raises(ProbeError, match="nothing:v1"):
        probe_bento("nothing:v1", {}, bento_home=bento_home)
