"""The service does what its OpenAPI document says, whatever it is sent."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.release.packaging import build_bento
from serving.release.probe import HOST, serve_bento
from serving.runtime.model import Model
from tests.unit.request_cases import write_classifier, write_forecaster

CONFIG = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = 1000


@pytest.mark.parametrize("write", [write_classifier, write_forecaster])
def test_every_operation_keeps_its_promise(write: Callable[[Path], Model], tmp_path: Path) -> None:
    write(tmp_path / "model")
    home = tmp_path / "bentoml"
    bento = build_bento(tmp_path / "model", version="3", bento_home=home)
    with serve_bento(bento.tag, bento_home=home, settings={"LOG_LEVEL": "warning"}) as service:
        tried = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIG, "run"),
                *("--checks", "all", "--max-examples", str(EXAMPLES), "--no-color"),
                f"http://{HOST}:{service.port}/docs.json",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert tried.returncode == 0, tried.stdout[-5000:]
