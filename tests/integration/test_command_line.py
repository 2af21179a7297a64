"""What a user types: Dagster's command line with a run.yaml, and a model of one's own."""

import json
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import yaml

from ml_assets.core.dataset.simulator import simulate
from ml_assets.core.promotion import EvaluationRecord
from serving.release.asking import is_ready
from serving.release.probe import HOST, free_ports
from tests.documents import blocks
from tests.integration.workplace import ROOT, TRANSFORMER, Workplace, read_spec, read_until

SECONDS = 900
PAGE = "docs/adding-a-model.md"
PROJECT = ("commands", "ml_assets", "serving", "requirements", "pyproject.toml")
RUN_ALL = """
import sys
from commands.__main__ import main
sys.exit(any(main(["run", model]) for model in ("strength", "forest", "demand")))
"""
REGRESSION = {
    "name": "forest",
    "description": "Strength of concrete out of its recipe.",
    "task": "regression",
    "columns": {"inputs": ["cement", "water", "age"], "target": "strength"},
    "estimator": {
        "type": "sklearn.ensemble.RandomForestRegressor",
        "parameters": {"n_estimators": 20, "min_samples_leaf": 3},
    },
    "gates": {"metric": "test_rmse", "min_skill": 0.3},
}
QUARTER_HOURS = {
    "name": "demand",
    "description": "Demand of a building, an hour ahead in steps of 15 minutes.",
    "task": "forecast",
    "columns": {"timestamp": "time", "inputs": ["outside"], "target": "demand"},
    "forecast": {"step": "15min", "horizon": 4, "lookback": 97},
    "features": {
        "columns": {"demand": {"lags": [0, 1, 2, 92, 96]}, "outside": {"differences": [4]}},
        "calendar": ["hour_of_day"],
        "timezone": "Europe/Berlin",
    },
    "estimator": {"rounds": 30, "linear_base": True, "parameters": {"max_depth": 3}},
}


def _launched(place: Workplace, job: str, directory: Path, **config: Any) -> None:
    """Runs `dagster job execute`, with a run.yaml if there is something to put in."""
    command = ["-m", "dagster", "job", "execute", "-m", "ml_assets.definitions", "-j", job]
    if config:
        path = directory / "run.yaml"
        path.write_text(yaml.safe_dump(config))
        command += ["-c", str(path)]
    process = place.start(*command)
    printed, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, printed + errors


def _params(place: Workplace, run_id: str) -> dict[str, str]:
    params: dict[str, str] = place.mlflow.get_run(run_id).data.params
    return params


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A workplace where iris was trained from the command line, with one parameter changed."""
    directory = tmp_path_factory.mktemp("command_line")
    place = Workplace.create(directory / "var")
    _launched(place, "iris_train", directory, parameters={"max_depth": 1})
    return place


class TestDagsterJobExecute:
    """`dagster job execute -m ml_assets.definitions -j <job> -c run.yaml`."""

    def test_train_promotes_a_model_with_the_parameters_of_run_yaml(self, place: Workplace) -> None:
        live = place.version("iris")
        assert live.version == 1
        own = {name: str(value) for name, value in read_spec("iris").estimator.parameters.items()}
        given = {**own, "max_depth": "1"}
        params = _params(place, live.run_id)
        assert {name: params[name] for name in given} == given

    def test_evaluate_measures_the_candidate_beside_production(
        self, place: Workplace, tmp_path: Path
    ) -> None:
        _launched(place, "iris_evaluate", tmp_path)
        text = place.file("iris", "evaluation.json").read_text()
        record = EvaluationRecord.model_validate_json(text)
        assert record.production == 1
        assert record.evaluation.production is not None

    def test_tune_makes_the_trials_of_run_yaml_and_the_next_model_takes_the_best(
        self, place: Workplace, tmp_path: Path
    ) -> None:
        _launched(place, "iris_tune", tmp_path, trials=2, parameters={"eta": 0.001})
        with sqlite3.connect(place.file("iris", "tuning.db")) as database:
            assert database.execute("SELECT count(*) FROM trials").fetchall() == [(2,)]
        best = json.loads(place.file("iris", "best_params.json").read_text())["parameters"]
        assert best["eta"] not in {0.001, read_spec("iris").estimator.parameters["eta"]}
        assert place.execute("iris", assets=["model"]).success
        used = _params(place, place.version("iris", "staging").run_id)
        assert {name: used[name] for name in best} == {k: str(v) for k, v in best.items()}

    def test_ingest_puts_the_latest_features_of_the_source_of_run_yaml_online(
        self, place: Workplace, tmp_path: Path
    ) -> None:
        readings = simulate(entities=2, days=20, seed=5)
        readings.to_csv(tmp_path / "readings.csv", index=False)
        source = str(tmp_path / "readings.csv")
        _launched(place, f"{TRANSFORMER}_ingest", tmp_path, source=source)
        pointer = place.dataset(TRANSFORMER)
        assert (pointer.source, pointer.rows) == (source, len(readings))
        online = place.feature_store.read_online(read_spec(TRANSFORMER), ["1", "2"])
        latest = readings.groupby("transformer")[["date", "OT"]].last()
        assert online["event_timestamp"].tolist() == latest["date"].tolist()
        np.testing.assert_array_equal(online["OT_lag_0"], latest["OT"].astype(np.float32))


class TestClosingWords:
    """What `make evaluate` and `make ingest` say at their end."""

    def test_evaluate_names_the_versions_what_the_gates_said_and_the_data(
        self, place: Workplace
    ) -> None:
        assert place.execute("iris", assets=["model"]).success
        candidate, live = place.version("iris", "staging").version, place.version("iris").version
        assert candidate > live
        ended = place.run("iris", "--job", "evaluate")
        assert ended.status == 0
        assert f"Evaluated iris v{candidate} (production is v{live})\n- " in ended.printed
        assert "The data: 150 rows of sklearn://iris.\nNothing was promoted; " in ended.printed

    def test_ingest_counts_the_entities(self, place: Workplace) -> None:
        ended = place.run("iris", "--job", "ingest")
        assert ended.status == 0
        assert "Ingested the latest features of iris: 150 entities\n" in ended.printed


class TestServe:
    """`make serve`."""

    def test_promoted_version_answers_its_example_until_it_is_stopped(
        self, place: Workplace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MAX_ROWS", "777")
        (port,) = free_ports(1)
        process = place.start("-m", "commands", "serve", "iris", "--port", str(port))
        try:
            read_until(process, f"-d @{place.file('iris', 'example.json')} http://{HOST}:{port}/")
            deadline = time.monotonic() + SECONDS
            while not is_ready(HOST, port=port):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
            example = place.file("iris", "example.json").read_text()
            url, kind = f"http://{HOST}:{port}", {"Content-Type": "application/json"}
            reply = httpx.post(f"{url}/predict", content=example, headers=kind, trust_env=False)
            card = httpx.get(f"{url}/model", trust_env=False).json()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
        assert reply.status_code == 200
        version = place.version("iris").version
        assert reply.json()["model"] == {"name": "iris", "version": str(version)}
        assert card["limits"]["max_rows"] == 777

    def test_wrong_setting_is_told_before_anything_is_built(
        self, place: Workplace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FEAST_ONLINE_ENABLED", "true")
        process = place.start("-m", "commands", "serve", "iris")
        printed, errors = process.communicate(timeout=SECONDS)
        assert (process.returncode, printed) == (1, "")
        assert "FEAST_ONLINE_ENABLED needs FEAST_ONLINE_URL" in errors

    def test_model_that_is_not_promoted_is_told_with_those_that_are(self, place: Workplace) -> None:
        (port,) = free_ports(1)
        process = place.start("-m", "commands", "serve", "iriss", "--port", str(port))
        printed, errors = process.communicate(timeout=SECONDS)
        assert (process.returncode, printed) == (1, "")
        assert "no version of the model 'iriss' is in production" in errors
        assert "there is one of iris." in errors

    def test_port_in_use_is_told_before_anything_is_built(self, place: Workplace) -> None:
        with socket.socket() as taken:
            taken.bind((HOST, 0))
            taken.listen()
            port = taken.getsockname()[1]
            process = place.start("-m", "commands", "serve", "iris", "--port", str(port))
            printed, errors = process.communicate(timeout=SECONDS)
        assert (process.returncode, printed) == (1, "")
        assert errors == (
            f"error: port {port} can't be used: Address already in use; "
            f"try another one, for instance PORT={port + 1}\n"
        )


def _with_model(project: Path, spec: dict[str, Any], table: pd.DataFrame) -> None:
    """Adds one YAML file, and nothing else, for a table that lies outside of the project."""
    name = spec["name"]
    path = project.parent / f"{name}.csv"
    table.to_csv(path, index=False)
    folder = project / "ml_assets" / "defs" / name
    folder.mkdir()
    content = {
        "type": "ml_assets.components.ModelPipeline",
        "attributes": {**spec, "source": {"uri": str(path), "timezone": "Europe/Berlin"}},
    }
    (folder / "defs.yaml").write_text(yaml.safe_dump(content))


def _with_worked_example(project: Path) -> None:
    """Does what the page tells: a script makes the data, and a YAML file the model."""
    [script] = blocks(PAGE, "python")
    (project / "data").mkdir()
    subprocess.run([sys.executable, "-c", script], cwd=project, check=True)
    folder = project / "ml_assets" / "defs" / "strength"
    folder.mkdir()
    (folder / "defs.yaml").write_text(blocks(PAGE, "yaml")[0])


def _recipes(rows: int = 400) -> pd.DataFrame:
    random = np.random.default_rng(5)
    table = pd.DataFrame(
        {
            "cement": random.uniform(100, 500, rows),
            "water": random.uniform(120, 240, rows),
            "age": random.integers(1, 90, rows),
        }
    )
    strength = 40 * table["cement"] / table["water"] / 2 + 8 * np.log(table["age"])
    return table.assign(strength=strength + random.normal(scale=3, size=rows))


def _quarter_hours(days: int = 20) -> pd.DataFrame:
    random = np.random.default_rng(5)
    time = pd.date_range("2024-01-01", periods=days * 96, freq="15min")
    day = 2 * np.pi * np.arange(len(time)) / 96
    outside = 5 + 3 * np.sin(day) + random.normal(scale=0.5, size=len(time))
    demand = 50 + 20 * np.sin(day + 1) - outside + random.normal(scale=0.5, size=len(time))
    return pd.DataFrame({"time": time, "outside": outside, "demand": demand})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's code, with three more models of one YAML file each."""
    project = tmp_path_factory.mktemp("third") / "project"
    project.mkdir()
    for name in PROJECT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, project / name)
    _with_worked_example(project)
    _with_model(project, REGRESSION, _recipes())
    _with_model(project, QUARTER_HOURS, _quarter_hours())
    return project


@pytest.fixture(scope="module")
def added(project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workplace, str]:
    """The workplace where all were trained, and what was printed."""
    place = Workplace.create(tmp_path_factory.mktemp("added") / "var")
    process = place.start("-c", RUN_ALL, cwd=project)
    printed, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, printed + errors
    return place, printed


@pytest.mark.parametrize(
    ("name", "answer"),
    [("strength", "0: "), ("forest", "0: "), ("demand", "from 2024-01-20T22:45:00Z: ")],
)
def test_new_model_takes_one_yaml_file_and_no_code(
    added: tuple[Workplace, str], name: str, answer: str
) -> None:
    place, printed = added
    assert place.version(name).version == 1
    assert f"Promoted {name} v1, because" in printed
    assert f"One answer of {name}:v1, served by BentoML for this moment\n  {answer}" in printed
