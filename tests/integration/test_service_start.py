"""A service that can't start ends, and says why once."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from serving.release.packaging import bentoml_environment
from serving.release.probe import HOST, free_ports
from tests.integration.served import Packaged


def refusal(bento: Path, *, home: Path, settings: Mapping[str, str]) -> str:
    """What a service that does not start says."""
    (port,) = free_ports(1)
    ended = subprocess.run(
        [sys.executable, "-m", "bentoml", "serve", bento, "--host", HOST, "--port", str(port)],
        env={**bentoml_environment(home), **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    said = ended.stdout + ended.stderr
    assert said.count("the service can't start") == 1
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"MAX_ROWS": "many"}, "MAX_ROWS: Input should be a valid integer"),
        ({"WORKERS": "0"}, "WORKERS: Input should be greater than or equal to 1"),
        ({"FEAST_ONLINE_ENABLED": "true"}, "FEAST_ONLINE_ENABLED needs FEAST_ONLINE_URL"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL: Input should be 'debug', 'info'"),
        ({"API_KEYS_FILE": os.devnull}, "holds no key"),
    ],
)
def test_a_wrong_setting_is_named(
    flower: Packaged, settings: Mapping[str, str], message: str
) -> None:
    assert message in refusal(flower.bento.path, home=flower.home, settings=settings)


@pytest.mark.parametrize("name", ["model/model.ubj", "model/model.json", "release.json"])
def test_a_damaged_file_is_named(flower: Packaged, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(flower.bento.path, tmp_path / "bento")
    with (copy / "src" / name).open("ab") as file:
        file.write(b"x")
    said = refusal(copy, home=flower.home, settings={})
    assert Path(name).name in said
    assert "fetch the" in said


@pytest.mark.parametrize("content", [None, "{}"])
def test_a_bento_without_the_digest_of_its_model_is_refused(
    flower: Packaged, tmp_path: Path, content: str | None
) -> None:
    copy = shutil.copytree(flower.bento.path, tmp_path / "bento")
    notes = copy / "src" / "release.json"
    notes.unlink()
    if content is not None:
        notes.write_text(content)
    assert "does not name the model" in refusal(copy, home=flower.home, settings={})
