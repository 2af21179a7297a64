"""What schemathesis makes of the document of a service, sent to the service."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from serving.release.packaging import build_bento
from serving.release.probe import HOST, Service, serve_bento
from serving.runtime.model import Model
from tests.integration.served import connect
from tests.unit.http_cases import figure
from tests.unit.model_cases import REGISTERED
from tests.unit.store_cases import FeatureServer, playing

CONFIG = Path(__file__).with_name("schemathesis.toml")
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
EXAMPLES = 1000
"""Requests to each operation that has a body; of the others there are only a few different ones."""
KEY = "a customer's"


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
    tried = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode == 0, tried.stdout[-5000:]


def requests(service: Service, path: str) -> dict[int, float]:
    """How many requests at an address were answered with each of these statuses."""
    with closing(connect(service)) as connection:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {KEY}"})
        metrics = connection.getresponse().read().decode()
    series = f'http_requests_total{{route="{path}",status='
    return {status: figure(metrics, f'{series}"{status}"') for status in (200, 401, 403, 422)}


def assert_kept(write: Callable[[Path], Model], directory: Path) -> None:
    """Asserts that the service of a model keeps every promise of its document."""
    with served(write, directory) as service:
        try_all(service, directory, examples=EXAMPLES)
        answered = requests(service, "/predict/feast")
    assert answered[200] > 0
    assert answered[422] > 0
