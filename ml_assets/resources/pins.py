"""Pins of what is installed here, for the environment that a model is served in."""

from importlib.metadata import PackageNotFoundError, version

_OTHER_BUILDS = {"xgboost-cpu": "xgboost"}
"""Packages of serving that training may have as another build of the same version."""


def installed_pin(package: str) -> str:
    """The pin ``package==version`` of the version that is installed here.

    A model trained with XGBoost's CUDA build is pinned to the CPU build of that version.

    Raises:
        PackageNotFoundError: No build of the package is installed.
    """
    try:
        found = version(package)
    except PackageNotFoundError:
        if package not in _OTHER_BUILDS:
            raise
        found = version(_OTHER_BUILDS[package])
    return f"{package}=={found}"
