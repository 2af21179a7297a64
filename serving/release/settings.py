"""Where released images come from and go to, from the environment."""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from ml_assets.settings import Settings
from serving.release.key_secrets import CREDENTIALS_FILE
from serving.release.registries import Repository
from serving.release.signing import DEVELOPMENT_KEY, KMS, Signer
from serving.runtime.errors import MLAssetsError

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
CUSTOMERS = "customers.yaml"
REGISTRY = "localhost:5050"
DEVELOPMENT = "development"
BUNDLES_KEPT = 20


class WrongSettingError(MLAssetsError):
    """An environment variable of the release has a value that it can't have."""


class KeyMissingError(MLAssetsError):
    """Nobody has chosen a key to sign releases with."""


@dataclass(frozen=True)
class ReleaseSettings:
    """What a release needs to know.

    Attributes:
        home: Directory of all state (``ML_ASSETS_HOME``).
        bento_home: The store of Bentos (``BENTOML_HOME``).
        platform: What the names of its images in the engine begin with (``PLATFORM_NAME``).
        tracking_uri: MLflow's tracking server or database (``MLFLOW_TRACKING_URI``).
        registry: Address of the registry that images are pushed to, with a path below it if there
            is one, as people call it (``RELEASE_REGISTRY``).
        registry_address: The same as the release itself reaches it
            (``RELEASE_REGISTRY_ADDRESS``).
        signing_home: Directory of the keys (``SIGNING_HOME``).
        signing_key: The key's URL in a key management service, or its file's name in that directory
            (``SIGNING_KEY``); empty if nobody has chosen one.
        is_development: Whether a key for trying things out will do (``RELEASE_PROFILE`` is
            ``development``).
        customers_file: Who gets what (``CUSTOMERS_FILE``, else customers.yaml of the project, or
            nothing where that is not there).
        deliveries: Directory below which customers' directories are (``DELIVERY_HOME``).
        bundles_kept: How many bundles of a model are kept, besides those of its live versions
            (``BUNDLES_KEPT``).
        scan_home: Directory of the advisory database, ``advisories``, and of the policy for it,
            ``policy.yaml``; both may be absent (``SCAN_HOME``).
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
    registry_address: str
    signing_home: Path
    signing_key: str
    is_development: bool
    customers_file: Path | None
    deliveries: Path
    bundles_kept: int
    scan_home: Path
    support_contact: str
    serve_image: str
    serve_sklearn_image: str

    @classmethod
    def from_environment(cls) -> "ReleaseSettings":
        """Reads the variables; what is unset or empty falls back on what the project builds."""
        shared = Settings.from_environment()
        registry = (os.environ.get("RELEASE_REGISTRY") or REGISTRY).rstrip("/")
        return cls(
            home=shared.home,
            bento_home=shared.bento_home,
            platform=os.environ.get("PLATFORM_NAME") or "ml-assets",
            tracking_uri=shared.tracking_uri,
            registry=registry,
            registry_address=os.environ.get("RELEASE_REGISTRY_ADDRESS") or registry,
            signing_home=Path(os.environ.get("SIGNING_HOME") or shared.home / "signing"),
            signing_key=os.environ.get("SIGNING_KEY", ""),
            is_development=os.environ.get("RELEASE_PROFILE") == DEVELOPMENT,
            customers_file=_customers_file(),
            deliveries=Path(os.environ.get("DELIVERY_HOME") or shared.home / "deliveries"),
            bundles_kept=_bundles_kept(),
            scan_home=Path(os.environ.get("SCAN_HOME") or shared.home / "scan"),
            support_contact=os.environ.get("SUPPORT_CONTACT", ""),
            serve_image=os.environ.get("SERVE_IMAGE") or _built_here("ml-assets-serve"),
            serve_sklearn_image=os.environ.get("SERVE_SKLEARN_IMAGE")
            or _built_here("ml-assets-serve-sklearn"),
        )

    def repository(self, model: str) -> Repository:
        """Where images of a model are pushed to, as the release reaches it."""
        return Repository.below(self.registry_address, model)

    def require_signer(self) -> Signer:
        """The key to sign with.

        Raises:
            KeyMissingError: None is configured, and the profile is not the development one.
        """
        if KMS.match(self.signing_key):
            return Signer(self.signing_key, self.signing_home / CREDENTIALS_FILE)
        if self.signing_key:
            return Signer(str(self.signing_home / self.signing_key))
        if self.is_development:
            return Signer(str(self.signing_home / DEVELOPMENT_KEY))
        raise KeyMissingError(
            "no key is configured to sign releases with; set SIGNING_KEY in .env, or, to try "
            f"things out, RELEASE_PROFILE={DEVELOPMENT} and run make keys"
        )


def _customers_file() -> Path | None:
    """The list of customers; one that was named must be there when it is read."""
    if named := os.environ.get("CUSTOMERS_FILE"):
        return Path(named)
    default = PROJECT.parent / CUSTOMERS
    return default if default.exists() else None


def _bundles_kept() -> int:
    """How many bundles are kept.

    Raises:
        WrongSettingError: The variable is no number.
    """
    told = os.environ.get("BUNDLES_KEPT") or str(BUNDLES_KEPT)
    if not told.isdecimal():
        raise WrongSettingError(f"BUNDLES_KEPT must be a number of bundles, got {told!r}")
    return int(told)


def _built_here(image: str) -> str:
    """The name of an image of this version of the project."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    return f"{image}:{project['version']}"
