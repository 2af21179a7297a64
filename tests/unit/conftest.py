"""Models that several files of tests use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.runtime.http import closing, connection
from serving.runtime.http.application import Application
from serving.runtime.model import Model
from tests.unit.http_cases import client_of
from tests.unit.model_cases import forecast_model
from tests.unit.request_cases import write_classifier, write_forecaster
from tests.unit.webserver_cases import Webserver, running_webserver
from tests.unit.wire_cases import BRIEF


@pytest.fixture(scope="module")
def oven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a fitted forecast with a linear base."""
    directory = tmp_path_factory.mktemp("models") / "oven"
    forecast_model(directory)
    return directory


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A forecast that answers the requests of `request_cases`."""
    return write_forecaster(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def flower(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A classification of rows."""
    return write_classifier(tmp_path_factory.mktemp("models") / "flower")


@pytest.fixture
def application(flower: Model) -> Application:
    """The service of that classification."""
    return client_of(flower).application


@pytest.fixture
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets connections have little time for anything."""
    for name in ("HEAD_SECONDS", "REST_SECONDS", "SHUTDOWN_SECONDS"):
        monkeypatch.setattr(connection, name, BRIEF)
    for name in ("LINGER_SECONDS", "WRITE_SECONDS"):
        monkeypatch.setattr(closing, name, BRIEF)


@pytest.fixture
def webserver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webserver]:
    """A stand-in of Dagster's webserver, which commands ask."""
    with running_webserver() as server:
        monkeypatch.setenv("DAGSTER_URL", f"http://127.0.0.1:{server.server_port}")
        yield server
