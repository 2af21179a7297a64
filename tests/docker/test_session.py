"""The typical session, typed as the README has it: a checkout, make, and a browser's addresses."""

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.own_platform import OwnPlatform
from tests.conftest import ROOT
from tests.docker.engine import engine, remove_names
from tests.docker.platform import until

pytestmark = pytest.mark.docker

LEFT_OUT = (".venv", "var", ".env", ".hypothesis", ".*_cache", "__pycache__")
CHOSEN_BY_MAKE = ("DATABASE", "COMPOSE_PROFILES", "RELEASE_PROFILE")
ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


class Session:
    """A checkout of its own, whose platform has a name and ports of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        settings = OwnPlatform.create("ml-assets-session").settings
        mine = {name: value for name, value in settings.items() if not value.startswith(str(ROOT))}
        self.settings = {name: mine[name] for name in mine if name not in CHOSEN_BY_MAKE}
        lines = "".join(f"{name}={value}\n" for name, value in self.settings.items())
        (home / ".env").write_text(lines)

    def make(self, *arguments: str) -> str:
        """What a `make` prints that must end well."""
        ended = subprocess.run(
            ["make", *arguments], cwd=self.home, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def url(self, service: str, path: str) -> str:
        """An address on this machine."""
        return f"http://localhost:{self.settings[f'{service}_PORT']}{path}"

    def get(self, service: str, path: str) -> Any:
        """The JSON at an address."""
        with urllib.request.urlopen(self.url(service, path), timeout=10) as reply:
            return json.load(reply)

    def ask(self, path: str, body: object) -> dict[str, Any]:
        """What the service says, through nginx."""
        headers = {"Content-Type": "application/json"}
        url = self.url("API", path)
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as reply:
            answer: dict[str, Any] = json.load(reply)
        return answer

    def counted(self) -> float:
        """The predictions that Prometheus knows of."""
        query = 'sum(http_requests_total{route="/predict",status="200"})'
        found = self.get("PROMETHEUS", f"/api/v1/query?query={urllib.parse.quote(query)}")
        return sum(float(one["value"][1]) for one in found["data"]["result"])


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    home = tmp_path / "ml-assets"
    shutil.copytree(ROOT, home, ignore=shutil.ignore_patterns(*LEFT_OUT))
    session = Session(home)
    yield session
    session.make("down-volumes", "YES=1")
    for images in (
        session.settings["PLATFORM_NAME"],
        f"localhost:{session.settings['REGISTRY_PORT']}",
    ):
        remove_names(f"{images}/*")


def test_a_typical_session(session: Session) -> None:
    session.make("dev")
    session.make("train", "MODEL=iris")
    models = session.get("MLFLOW", "/api/2.0/mlflow/registered-models/search")
    assert [one["name"] for one in models["registered_models"]] == ["iris"]
    [version] = models["registered_models"][0]["latest_versions"]
    run = session.get("MLFLOW", f"/api/2.0/mlflow/runs/get?run_id={version['run_id']}")["run"]
    assert (run["info"]["status"], bool(run["data"]["metrics"])) == ("FINISHED", True)
    session.make("serve", "MODEL=iris")
    assert session.ask("/predict", ROW)["predictions"] == ["setosa"]
    assert session.ask("/invocations", {"dataframe_records": [ROW]})["predictions"] == ["setosa"]
    until(lambda: session.counted() >= 1, seconds=60, what="the request in Prometheus")
    assert "healthy" in session.make("status")
    session.make("down")
    name = session.settings["PLATFORM_NAME"]
    assert engine("ps", "--all", "--quiet", "--filter", f"name={name}") == ""
    assert f"{name}-mlflow" in engine("volume", "ls", "--format={{.Name}}")
