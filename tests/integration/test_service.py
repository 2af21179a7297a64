"""A model is fitted, packaged as a Bento, served by `bentoml serve`, and asked over HTTP."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.dataset.simulator import simulate
from ml_assets.core.features.table import feature_table, series_of
from ml_assets.core.features.training_set import forecast_labels, load_training_set
from ml_assets.core.spec import PipelineSpec
from ml_assets.core.training.fitting import Fitted, fit, save
from serving.release import packaging
from serving.release.packaging import BuiltBento, PackagingError, build_bento
from serving.release.probe import HOST, ProbeError, Service, probe_bento, serve_bento
from serving.runtime.errors import ModelFileError
from serving.runtime.features import compute_features
from serving.runtime.model import Model

ROOT = Path(__file__).parents[2]
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
    return build_bento(trained.directory, version="3", bento_home=bento_home)


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


def test_a_bento_can_be_served_from_its_directory(
    trained: Trained, bento: BuiltBento, bento_home: Path
) -> None:
    data = columns(trained.readings.tail(200))
    answer = probe_bento(str(bento.path), data, bento_home=bento_home)
    assert answer["model"] == {"name": "heat", "version": "3"}


def test_a_bento_that_is_not_there_is_an_error_with_bentomls_reason(bento_home: Path) -> None:
    with pytest.raises(ProbeError, match="nothing:v1"):
        probe_bento("nothing:v1", {}, bento_home=bento_home)


def test_a_bento_holds_the_runtime_and_the_model_and_nothing_else(bento: BuiltBento) -> None:
    source = bento.path / "src"
    found = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    runtime = {f"serving/runtime/{path.name}" for path in (ROOT / "serving/runtime").glob("*.py")}
    model = {"model/model.json", "model/model.ubj", "model/base.json"}
    assert found == runtime | model | {"serving/__init__.py", "bentofile.yaml"}


def test_a_bento_says_what_it_is_and_listens_on_the_documented_port(bento: BuiltBento) -> None:
    content = (bento.path / "bento.yaml").read_text()
    assert "labels:\n  model: heat\n  version: '3'\n  data_version: data1\n" in content
    assert "http:\n      port: 8000\n" in content


def test_a_bento_asks_for_the_locked_packages_of_the_runtime_only(bento: BuiltBento) -> None:
    wanted = (bento.path / "env/python/requirements.txt").read_text().split()
    names = {line.partition("==")[0] for line in wanted}
    assert names == {"bentoml", "numpy", "pydantic", "tzdata", "xgboost-cpu"}
    lock = (ROOT / "requirements/serve.txt").read_text()
    assert all("==" in line and f"{line} " in lock for line in wanted)


def test_a_model_of_scikit_learn_asks_for_its_packages_too(trained: Trained) -> None:
    files = {"model.skops": "0" * 64}
    manifest = trained.fitted.model.manifest.model_copy(update={"files": files})
    names = {pin.partition("==")[0] for pin in packaging._requirements(manifest)}
    assert names >= {"scikit-learn", "skops"}


def test_a_version_that_is_built_again_is_replaced(
    trained: Trained, bento: BuiltBento, bento_home: Path
) -> None:
    (bento.path / "src/model/model.ubj").write_bytes(b"damaged")
    assert build_bento(trained.directory, version="3", bento_home=bento_home) == bento
    assert Model.load(bento.path / "src/model").manifest.data_version == "data1"


def test_a_damaged_model_is_refused_and_the_store_stays_as_it_was(
    trained: Trained, bento: BuiltBento, bento_home: Path, tmp_path: Path
) -> None:
    damaged = shutil.copytree(trained.directory, tmp_path / "damaged")
    with (damaged / "model.ubj").open("ab") as file:
        file.write(b"x")
    before = {path: path.stat().st_mtime_ns for path in bento_home.joinpath("bentos").rglob("*")}
    with pytest.raises(ModelFileError, match=r"model\.ubj"):
        build_bento(damaged, version="3", bento_home=bento_home)
    after = {path: path.stat().st_mtime_ns for path in bento_home.joinpath("bentos").rglob("*")}
    assert after == before


BUILD = """
import sys
from pathlib import Path
from serving.release.packaging import build_bento
build_bento(Path(sys.argv[1]), version="8", bento_home=Path(sys.argv[2]))
"""


def test_a_killed_build_leaves_no_bento_and_the_next_one_works(
    trained: Trained, tmp_path: Path
) -> None:
    arguments = [sys.executable, "-c", BUILD, str(trained.directory), str(tmp_path)]
    build = subprocess.Popen(arguments, cwd=ROOT, start_new_session=True)
    while build.poll() is None and not [*tmp_path.glob("build/*/context/bentofile.yaml")]:
        time.sleep(0.01)
    os.killpg(build.pid, signal.SIGKILL)
    assert build.wait() == -signal.SIGKILL
    assert not (tmp_path / "bentos").exists()
    built = build_bento(trained.directory, version="8", bento_home=tmp_path)
    assert json.loads((built.path / "src/model/model.json").read_text())["name"] == "heat"
    assert [*(tmp_path / "build").iterdir()] == []


def test_a_store_that_cannot_be_written_is_a_clear_error(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(PackagingError, match="can't be built in"):
        build_bento(trained.directory, version="3", bento_home=tmp_path / "file")


@pytest.mark.parametrize("version", ["", "../3", "3:4", "a b"])
def test_a_version_that_is_no_part_of_a_name_is_refused(
    trained: Trained, tmp_path: Path, version: str
) -> None:
    with pytest.raises(PackagingError, match="can't be a model's version"):
        build_bento(trained.directory, version=version, bento_home=tmp_path)
