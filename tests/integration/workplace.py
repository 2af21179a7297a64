"""A state directory of its own, in which a test runs the real pipeline."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from mlflow import MlflowClient

from commands.__main__ import main
from ml_assets.core.records import DatasetRecord
from ml_assets.core.spec import PipelineSpec
from ml_assets.definitions import defs
from ml_assets.resources.feast import FeatureStoreResource
from ml_assets.resources.registry import Alias, ModelRegistry
from ml_assets.resources.version_files import RegisteredVersion

ROOT = Path(__file__).parents[2]
TRANSFORMER = "transformer_temperature"
COMMIT = 40 * "c"
SIMULATED = "simulated://transformers?entities=2&days=90"
METRICS = {
    "test_mse_scaled",
    "test_mae_scaled",
    "test_rmse",
    "test_mae",
    "skill_vs_persistence",
    "skill_vs_seasonal_naive",
}
"""Names of the metrics of a forecast."""
ELSEWHERE = ("MLFLOW_TRACKING_URI", "FEAST_REGISTRY", "FEAST_ONLINE_STORE", "ML_ASSETS_USER")


@dataclass(frozen=True)
class Ended:
    """How a command ended, and all that it printed."""

    status: int
    printed: str


@dataclass(frozen=True)
class Kept:
    """What a failed run must leave alone: the aliases, and the sha256 of every file."""

    aliases: Mapping[Alias, int | None]
    files: Mapping[str, str]


@dataclass(frozen=True)
class Workplace:
    """All state below one directory."""

    home: Path

    @classmethod
    def create(cls, home: Path) -> "Workplace":
        """An empty one, with the project's settings of Dagster."""
        (home / "dagster").mkdir(parents=True)
        shutil.copy(ROOT / "commands/embedded/dagster.yaml", home / "dagster")
        return cls(home)

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables that point here."""
        return {
            "ML_ASSETS_HOME": str(self.home),
            "DAGSTER_HOME": str(self.home / "dagster"),
            "BENTOML_HOME": str(self.home / "bentoml"),
            "GIT_COMMIT": COMMIT,
        }

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Points this process here."""
        with pytest.MonkeyPatch.context() as patch:
            for name in ELSEWHERE:
                patch.delenv(name, raising=False)
            for name, value in self.settings.items():
                patch.setenv(name, value)
            yield

    def run(self, *arguments: str) -> Ended:
        """What `make run` calls, in this process."""
        printed = io.StringIO()
        with self.entered(), redirect_stdout(printed), redirect_stderr(printed):
            status = main(["run", *arguments])
        return Ended(status, printed.getvalue())

    def execute(
        self,
        model: str,
        job: str = "train",
        *,
        assets: Sequence[str] = (),
        **config: Any,
    ) -> dg.ExecuteInProcessResult:
        """Runs a job of a model, or only some of its assets, without the Bento that follows."""
        with self.entered(), redirect_stderr(io.StringIO()):
            return (
                defs()
                .resolve_job_def(f"{model}_{job}")
                .execute_in_process(
                    run_config=config,
                    instance=dg.DagsterInstance.get(),
                    asset_selection=[dg.AssetKey([model, asset]) for asset in assets] or None,
                    raise_on_error=False,
                )
            )

    def start(self, *command: str, cwd: Path = ROOT) -> subprocess.Popen[str]:
        """Starts Python with these arguments in a process of its own."""
        elsewhere = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=cwd,
            env={**elsewhere, **self.settings, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def registry(self) -> ModelRegistry:
        """The model registry."""
        return ModelRegistry(tracking_uri=f"sqlite:///{self.home}/mlflow.db")

    @property
    def mlflow(self) -> MlflowClient:
        """MLflow's own view of runs and versions."""
        uri = self.registry.tracking_uri
        return MlflowClient(uri, registry_uri=uri)

    @property
    def feature_store(self) -> FeatureStoreResource:
        """The feature store."""
        return FeatureStoreResource(home=str(self.home / "feast"))

    def version(self, model: str, alias: Alias = "production") -> RegisteredVersion:
        """The version that an alias points at."""
        return self.registry.require(model, alias)

    def file(self, model: str, name: str) -> Path:
        """A file of a model."""
        return self.home / "data" / model / name

    def dataset(self, model: str) -> DatasetRecord:
        """What is known about the last good dataset."""
        return DatasetRecord.model_validate_json(self.file(model, "dataset.json").read_text())

    def kept(self, model: str) -> Kept:
        """What there is of a model now."""
        aliases: list[Alias] = ["staging", "production", "previous"]
        found = {alias: self.registry.by_alias(model, alias) for alias in aliases}
        paths = [path for path in self.file(model, "").rglob("[!.]*") if path.is_file()]
        return Kept(
            aliases={alias: one.version if one else None for alias, one in found.items()},
            files={str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths},
        )


def read_spec(model: str) -> PipelineSpec:
    """What the YAML file of a model that ships says."""
    content = yaml.safe_load((ROOT / "ml_assets" / "defs" / model / "defs.yaml").read_text())
    return PipelineSpec.model_validate(content["attributes"])


def read_until(process: subprocess.Popen[str], words: str) -> None:
    """Reads what a process prints up to the first line with these words."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return
    assert process.stderr is not None
    pytest.fail(f"{words!r} was not printed: {''.join(lines)}{process.stderr.read()}")


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """What the one step that failed says."""
    (event,) = [one for one in result.all_events if one.is_step_failure]
    data = event.step_failure_data.user_failure_data
    assert data is not None
    return str(data.description)
