"""What all tests share."""

import os
import shutil
from pathlib import Path

import prometheus_client  # noqa: F401  before Feast, which lets it share figures through files
import pytest
from hypothesis import settings

from ml_assets.resources.registry import ModelRegistry

# A shared machine is slow now and then; the speed of an example is not what is tested.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

ROOT = Path(__file__).parents[1]
ELSEWHERE = (
    "MLFLOW_TRACKING_URI",
    "RELEASE_PROFILE",
    "SIGNING_KEY",
    "SIGNING_HOME",
    "CUSTOMERS_FILE",
    "DELIVERY_HOME",
    "SCAN_HOME",
)
"""Settings of the shell, or of an .env that make has read, which would lead out of the test."""

LONG = (
    "test_training_faults",
    "test_release_faults",
    "test_backup",
    "test_rollback",
    "test_full",
    "test_session",
    "test_command_line",
    "test_service_contract",
    "test_interruptions",
    "test_forecast_contract",
    "test_service_faults",
    "test_service_memory",
    "test_feast_trouble",
)
"""Files that take minutes, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the files that take minutes, so that no worker is left with one at the end."""
    order = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.stem, len(LONG)))


@pytest.fixture(scope="session", autouse=True)
def _no_telemetry() -> None:
    for name in ("MLFLOW_DISABLE_TELEMETRY", "BENTOML_DO_NOT_TRACK", "DAGSTER_DISABLE_TELEMETRY"):
        os.environ[name] = "true"


@pytest.fixture(scope="session")
def etth1() -> Path:
    """The readings of a real transformer, which are not part of the project."""
    path = Path(os.environ.get("ML_ASSETS_ETTH1", ROOT.parent / "shared" / "data" / "ETTh1.csv"))
    if not path.exists():
        pytest.skip("ETTh1.csv is not here; set ML_ASSETS_ETTH1 to its path")
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty state directory, which all settings point to."""
    monkeypatch.setenv("ML_ASSETS_HOME", str(tmp_path / "var"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "var" / "dagster"))
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "var" / "bentoml"))
    for name in ELSEWHERE:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "var" / "dagster").mkdir(parents=True)
    return tmp_path / "var"


@pytest.fixture(scope="session")
def _empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database without a model; making one takes seconds."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    assert ModelRegistry(tracking_uri=f"sqlite:///{path}").models() == {}
    return path


@pytest.fixture
def registry(_empty_registry: Path, tmp_path: Path) -> ModelRegistry:
    """A real registry of MLflow, with nothing in it."""
    path = shutil.copy(_empty_registry, tmp_path / "mlflow.db")
    return ModelRegistry(tracking_uri=f"sqlite:///{path}")
