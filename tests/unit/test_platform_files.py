"""What the files that make the platform must agree on."""

import re
import tomllib
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

GIVEN = {"PWD"}
"""Variables that every shell has."""
SECRET = re.compile("PASSWORD|TOKEN|SECRET")


@pytest.fixture(scope="module")
def compose() -> str:
    return (ROOT / "docker-compose.yml").read_text()


@pytest.fixture(scope="module")
def services(compose: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(compose)["services"]
    return found


def test_every_setting_of_the_compose_file_is_explained(compose: str) -> None:
    explained = re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert set(re.findall(r"\$\{([A-Z_]+)", compose)) - GIVEN <= set(explained)


def test_images_have_the_projects_version_by_default(compose: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(re.findall(r"\$\{ML_ASSETS_VERSION:-(.*?)\}", compose)) == {project["version"]}


def test_no_secret_has_a_default(compose: str) -> None:
    defaults = re.findall(r"\$\{([A-Z_]+):-[^}]", compose)
    assert [name for name in defaults if SECRET.search(name)] == []


def test_no_service_has_the_key_credentials_or_customers(services: dict[str, Any]) -> None:
    secret = ("SIGNING_DIR", "REGISTRY_AUTH_DIR", "CUSTOMERS_FILE", "DELIVERY_DIR", "/var/signing")
    for name, service in services.items():
        mounts = " ".join(map(str, service.get("volumes", [])))
        assert [one for one in secret if one in mounts] == [], name
        whole = ".:/" in mounts or "./var" in mounts
        assert not whole or service["tmpfs"] == ["/workspace/var"], name


def test_no_key_and_no_profile_is_chosen_for_anybody(compose: str) -> None:
    for name in ("SIGNING_KEY", "RELEASE_PROFILE"):
        assert f'"{name}=${{{name}:-}}"' in compose


def test_what_reads_dagsters_configuration_gets_its_variables(services: dict[str, Any]) -> None:
    read = set(re.findall(r"env: ([A-Z_]+)", (ROOT / "dagster.yaml").read_text()))
    assert read
    for name in ("code-training", "code-release", "daemon", "run-keeper", "webserver"):
        assert read <= set(services[name]["environment"]), name


def test_every_service_is_limited_and_without_rights(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name
