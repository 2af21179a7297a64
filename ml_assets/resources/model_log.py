"""A model bundle as an MLflow model: signature, example, code and requirements beside it."""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

import serving
from ml_assets.resources.pins import installed_pin
from serving.pyfunc import PyfuncModel
from serving.runtime.errors import RequestError
from serving.runtime.manifest import ModelManifest
from serving.runtime.model import Model

LOADER = "serving.pyfunc"
REQUIREMENTS = ("numpy", "pandas", "pydantic", "tzdata", "xgboost-cpu")
SKLEARN_REQUIREMENTS = ("scikit-learn", "skops")

_log = logging.getLogger(__name__)


def log_bundle(
    bundle: Path, manifest: ModelManifest, *, example: pd.DataFrame, metadata: Mapping[str, str]
) -> str:
    """Logs a bundle to the active MLflow run.

    The artifact holds the bundle under ``data/bundle`` and the runtime's code, which MLflow's own
    tools import to load it; nothing is pickled.

    Args:
        bundle: The directory that ``serving.runtime.model`` loads.
        manifest: What stands in its ``model.json``.
        example: Rows that a user would send.
        metadata: Shown with the model, for instance its data version.

    Returns:
        The model's URI.
    """
    import mlflow

    with TemporaryDirectory() as staging:
        code = Path(staging) / "serving"
        _copy_runtime(code)
        info = mlflow.pyfunc.log_model(
            name=manifest.name,
            loader_module=LOADER,
            data_path=str(bundle),
            code_paths=[str(code)],
            signature=_signature(bundle, example),
            input_example=example,
            pip_requirements=_pinned(manifest),
            metadata=dict(metadata),
        )
    return str(info.model_uri)


def _signature(bundle: Path, example: pd.DataFrame) -> Any:
    """What the model takes and answers, as its own answer to the example shows it."""
    from mlflow.models import infer_signature

    try:
        answer = PyfuncModel(Model.load(bundle)).predict(example)
    except RequestError as error:
        _log.warning("the signature has no outputs, as the example has no answer: %s", error)
        answer = None
    return infer_signature(example, answer)


def _copy_runtime(destination: Path) -> None:
    """Copies `serving/runtime` and MLflow's loader without the rest of `serving`."""
    source = Path(serving.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__", "golden.py", "release")
    shutil.copytree(source, destination, ignore=ignored)


def _pinned(manifest: ModelManifest) -> list[str]:
    names = REQUIREMENTS if manifest.estimator == "xgboost" else REQUIREMENTS + SKLEARN_REQUIREMENTS
    return [installed_pin(name) for name in names]
