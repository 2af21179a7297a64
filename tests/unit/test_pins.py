import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from ml_assets.resources.pins import installed_pin


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory that Python looks for packages in."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def install(packages: Path, name: str, version: str) -> None:
    directory = packages / f"{name.replace('-', '_')}-{version}.dist-info"
    directory.mkdir()
    (directory / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")


@pytest.mark.parametrize("build", ["xgboost-cpu", "xgboost"])
def test_either_build_of_xgboost_is_pinned_as_the_one_for_serving(packages: Path, build: str):
    install(packages, build, "3.2.0")
    assert installed_pin("xgboost-cpu") == "xgboost-cpu==3.2.0"


def test_another_package_is_pinned_to_its_version(packages: Path):
    install(packages, "numpy", "2.4.6")
    assert installed_pin("numpy") == "numpy==2.4.6"


@pytest.mark.parametrize("name", ["xgboost-cpu", "numpy"])
def test_what_is_not_installed_has_no_pin(packages: Path, name: str):
    with pytest.raises(PackageNotFoundError):
        installed_pin(name)
