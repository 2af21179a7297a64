"""Where state lives, from the environment."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """The places of all state.

    Attributes:
        home: Directory of all state of the embedded default (``ML_ASSETS_HOME``).
        bento_home: The store of Bentos (``BENTOML_HOME``).
        tracking_uri: MLflow's tracking server or database (``MLFLOW_TRACKING_URI``).
    """

    home: Path
    bento_home: Path
    tracking_uri: str

    @classmethod
    def from_environment(cls) -> "Settings":
        """Reads the variables; what is unset or empty falls back on the embedded default, `var`."""
        home = Path(os.environ.get("ML_ASSETS_HOME") or "var").resolve()
        return cls(
            home=home,
            bento_home=Path(os.environ.get("BENTOML_HOME") or home / "bentoml").resolve(),
            tracking_uri=os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home}/mlflow.db",
        )

    @property
    def artifact_root(self) -> str:
        """Where MLflow keeps artifacts, or nothing when its server decides."""
        return (
            (self.home / "mlartifacts").as_uri() if self.tracking_uri.startswith("sqlite") else ""
        )
