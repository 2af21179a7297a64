"""Models that several files of tests ask."""

from pathlib import Path

import pytest

from serving.runtime.model import Model
from tests.unit.model_cases import forecast_model
from tests.unit.request_cases import write_forecaster


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a fitted forecast with a linear base."""
    directory = tmp_path_factory.mktemp("models") / "oven"
    forecast_model(directory)
    return directory


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A forecast that answers the requests of `request_cases`."""
    return write_forecaster(tmp_path_factory.mktemp("model"))
