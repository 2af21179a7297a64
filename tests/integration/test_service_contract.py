"""The service does what its OpenAPI document says, whatever it is sent."""

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from serving.release.packaging import build_bento
from serving.release.probe import HOST, Service, serve_bento
from serving.runtime.model import Model
from tests.integration.served import connect
from tests.unit.http_cases import figure
from tests.unit.model_cases import REGISTERED
from tests.unit.request_cases import write_classifier, write_forecaster, write_regressor
from tests.unit.store_cases import FeatureServer, playing

CONFIG = Path(__file__).with_name("schemathesis.toml")
EXAMPLES, EXAMPLES_WITH_KEY = 1000, 100
KEY = "a customer's"
ROUTES_WITH_KEY = ("/predict", "/predict/feast", "/invocations", "/model", "/metrics")


@contextmanager
def served(write: Callable[[Path], Model], directory: Path, **settings: str) -> Iterator[Service]:
    """A service whose feature store knows every entity."""
    model = write(directory / "model")
    names, home = model.manifest.feature_names, directory / "bentoml"
    bento = build_bento(directory / "model", version="3", created=REGISTERED, bento_home=home)
    with playing(FeatureServer(names, {}, others=[1.0] * len(names))) as store:
        variables = {"LOG_LEVEL": "warning", **store.settings, **settings}
        with serve_bento(bento.tag, bento_home=home, settings=variables) as service:
            yield service


def try_all(service: Service, directory: Path, *options: str, examples: int) -> None:
    """Sends what schemathesis makes of the service's document."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIG, "run"),
        *("--checks", "all", "--max-examples", str(examples), "--no-color", *options),
        f"http://{HOST}:{service.port}/docs.json",
    ]
    tried = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stdout[-5000:]


def requests(service: Service, path: str) -> dict[int, float]:
    """How many requests at an address were answered with each of these statuses."""
    with closing(connect(service)) as connection:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {KEY}"})
        metrics = connection.getresponse().read().decode()
    series = f'http_requests_total{{route="{path}",status='
    return {status: figure(metrics, f'{series}"{status}"') for status in (200, 401, 403, 422)}


@pytest.mark.parametrize("write", [write_classifier, write_forecaster])
def test_every_operation_keeps_its_promise(write: Callable[[Path], Model], tmp_path: Path) -> None:
    with served(write, tmp_path) as service:
        try_all(service, tmp_path, examples=EXAMPLES)
        answered = requests(service, "/predict/feast")
    assert answered[200] > 0
    assert answered[422] > 0


def test_every_operation_of_a_service_with_keys_keeps_its_promise(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(hashlib.sha256(KEY.encode()).hexdigest())
    with served(write_regressor, tmp_path, API_KEYS_FILE=str(keys)) as service:
        header = ("--header", f"Authorization: Bearer {KEY}")
        try_all(service, tmp_path, *header, examples=EXAMPLES_WITH_KEY)
        for path in ROUTES_WITH_KEY:
            answered = requests(service, path)
            assert min(answered[200], answered[401], answered[403]) > 0, path
