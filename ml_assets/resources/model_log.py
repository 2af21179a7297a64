"""A model bundle as an MLflow model: signature, example, code and requirements beside it."""

import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pandas as pd

import serving

if TYPE_CHECKING:
    from serving.runtime.model import ModelManifest

LOADER = "serving.pyfunc"
REQUIREMENTS = ("numpy", "pandas", "pydantic", "tzdata", "xgboost-cpu")
SKLEARN_REQUIREMENTS = ("scikit-learn", "skops")


def log_bundle(
    bundle: Path, manifest: "ModelManifest", *, example: pd.DataFrame, metadata: Mapping[str, str]
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
    from mlflow.models import infer_signature

    with TemporaryDirectory() as staging:
        code = Path(staging) / "serving"
        _copy_runtime(code)
        info = mlflow.pyfunc.log_model(
            name=manifest.name,
            loader_module=LOADER,
            data_path=str(bundle),
            code_paths=[str(code)],
            signature=infer_signature(example),
            input_example=example,
            pip_requirements=_pinned(manifest),
            metadata=dict(metadata),
        )
    return str(info.model_uri)


def _copy_runtime(destination: Path) -> None:
    """Copies `serving/runtime` without the rest of `serving`."""
    source = Path(serving.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__", "release")
    shutil.copytree(source, destination, ignore=ignored)


def _pinned(manifest: "ModelManifest") -> list[str]:
    names = REQUIREMENTS if manifest.estimator == "xgboost" else REQUIREMENTS + SKLEARN_REQUIREMENTS
    return [f"{name}=={version(name)}" for name in names]
