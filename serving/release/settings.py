"""Where released images come from and go to, from the environment."""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from ml_assets.settings import Settings

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
REGISTRY = "localhost:5050"


@dataclass(frozen=True)
class ReleaseSettings:
    """What a release needs to know.

    Attributes:
        home: Directory of all state (``ML_ASSETS_HOME``).
        bento_home: The store of Bentos (``BENTOML_HOME``).
        platform: What the names of its images in the engine begin with (``PLATFORM_NAME``).
        tracking_uri: MLflow's tracking server or database (``MLFLOW_TRACKING_URI``).
        registry: Address of the registry that images are pushed to, with a path below it if there
            is one (``RELEASE_REGISTRY``).
        support_contact: Whom customers ask for help: a URL, a mail address or a name
            (``SUPPORT_CONTACT``).
        serve_image: What models of xgboost run in (``SERVE_IMAGE``).
        serve_sklearn_image: What models of scikit-learn run in (``SERVE_SKLEARN_IMAGE``).
    """

    home: Path
    bento_home: Path
    platform: str
    tracking_uri: str
    registry: str
    support_contact: str
    serve_image: str
    serve_sklearn_image: str

    @classmethod
    def from_environment(cls) -> "ReleaseSettings":
        """Reads the variables; what is unset or empty falls back on what the project builds."""
        shared = Settings.from_environment()
        return cls(
            home=shared.home,
            bento_home=shared.bento_home,
            platform=os.environ.get("PLATFORM_NAME") or "ml-assets",
            tracking_uri=shared.tracking_uri,
            registry=(os.environ.get("RELEASE_REGISTRY") or REGISTRY).rstrip("/"),
            support_contact=os.environ.get("SUPPORT_CONTACT", ""),
            serve_image=os.environ.get("SERVE_IMAGE") or _built_here("ml-assets-serve"),
            serve_sklearn_image=os.environ.get("SERVE_SKLEARN_IMAGE")
            or _built_here("ml-assets-serve-sklearn"),
        )


def _built_here(image: str) -> str:
    """The name of an image of this version of the project."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    return f"{image}:{project['version']}"
