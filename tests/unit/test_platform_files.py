"""What the files that make the platform must agree on."""

import re
from typing import Any

import pytest
import yaml

from serving.runtime.settings import ServiceSettings
from tests.conftest import ROOT

PROFILES = {
    "dev", "postgres", "train", "eval", "tune", "ingest", "serve", "feast", "monitoring", "full",
    "ledger", "shell",
}  # fmt: skip
GIVEN = {"PWD"}
"""Variables that every shell has."""
SECRET = re.compile("PASSWORD|TOKEN|SECRET")


@pytest.fixture(scope="module")
def compose() -> str:
    return (ROOT / "docker-compose.yml").read_text()


@pytest.fixture(scope="module")
def read() -> str:
    """All that Compose reads."""
    databases = sorted((ROOT / "docker" / "database").glob("*/*.env"))
    return "".join(path.read_text() for path in (*sorted(ROOT.glob("*compose*.yml")), *databases))


@pytest.fixture(scope="module")
def services(compose: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(compose)["services"]
    return found


@pytest.fixture(scope="module")
def local() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.local.yml").read_text())
    return found["services"]


def test_every_setting_of_the_compose_files_is_explained(read: str) -> None:
    explained = re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert set(re.findall(r"\$\{([A-Z_]+)", read)) - GIVEN <= set(explained)


def _of_ours(service: dict[str, Any]) -> str:
    """The target of the Dockerfile that a service's image is, or an empty text."""
    found = re.match(r"\$\{IMAGES.*?\}-([a-z]+):", service["image"])
    return found[1] if found else ""


def test_no_image_is_built_and_no_version_assumed_by_the_file_that_pulls(
    compose: str, services: dict[str, Any]
) -> None:
    assert [name for name, service in services.items() if "build" in service] == []
    assert re.findall(r"\$\{(?:IMAGES|ML_ASSETS_VERSION):-", compose) == []
    assert {"IMAGES", "ML_ASSETS_VERSION"} <= set(re.findall(r"\$\{([A-Z_]+):\?", compose))


def test_every_image_of_ours_is_built_in_a_checkout(
    services: dict[str, Any], local: dict[str, Any]
) -> None:
    ours = {name: image for name, service in services.items() if (image := _of_ours(service))}
    built = {service["build"]["target"] for service in local.values() if "build" in service}
    assert set(ours.values()) == built
    for name, service in local.items():
        assert "build" not in service or ours[name] == service["build"]["target"]


def test_every_service_is_in_a_profile_that_there_is(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert set(service.get("profiles", [])) <= PROFILES, name


def test_what_keeps_running_is_in_full(services: dict[str, Any]) -> None:
    for name, service in services.items():
        runs_on = "restart" in service and "profiles" in service
        assert runs_on == ("full" in service.get("profiles", [])), name


def test_what_keeps_running_is_restarted_and_its_log_is_cut(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}, name
        assert service.get("restart", "unless-stopped") == "unless-stopped", name


def test_no_secret_has_a_default(read: str) -> None:
    defaults = re.findall(r"\$\{([A-Z_]+):-[^}]", read)
    assert [name for name in defaults if SECRET.search(name)] == []


def test_no_service_has_the_key_credentials_or_customers(services: dict[str, Any]) -> None:
    secret = ("SIGNING_DIR", "REGISTRY_AUTH_DIR", "CUSTOMERS_FILE", "DELIVERY_DIR", "/var/signing")
    for name, service in services.items():
        mounts = " ".join(map(str, service.get("volumes", [])))
        assert [one for one in secret if one in mounts] == [], name
        whole = ".:/" in mounts or re.search(r"\./var(?!/tls)", mounts)
        assert not whole or service["tmpfs"] == ["/workspace/var"], name


def test_no_key_and_no_profile_is_chosen_for_anybody(compose: str) -> None:
    for name in ("SIGNING_KEY", "RELEASE_PROFILE"):
        assert f'"{name}=${{{name}:-}}"' in compose


def test_what_reads_dagsters_configuration_gets_its_variables(services: dict[str, Any]) -> None:
    read = set(re.findall(r"env: ([A-Z_]+)", (ROOT / "dagster.yaml").read_text()))
    assert read
    for name in ("code-training", "code-release", "daemon", "run-keeper", "webserver"):
        files = [services[name]["env_file"]] if name != "daemon" else services[name]["env_file"]
        given = {"DAGSTER_STORAGE"} if any("/dagster.env" in file for file in files) else set()
        assert read <= {*services[name]["environment"], *given}, name


@pytest.mark.parametrize("service", ["dagster", "mlflow", "feast"])
def test_both_databases_set_the_same_variables(service: str) -> None:
    names = [
        re.findall(
            r"^([A-Z_]+)=",
            (ROOT / "docker/database" / kind / f"{service}.env").read_text(),
            re.MULTILINE,
        )
        for kind in ("sqlite", "postgres")
    ]
    assert names[0] == names[1]


def test_every_service_is_limited_and_without_rights(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name


def test_every_setting_of_the_service_and_of_nginx_is_one_of_the_platform(
    services: dict[str, Any],
) -> None:
    asked = set(ServiceSettings.variables().values())
    assert asked <= services["api-feast"]["environment"].keys()
    alike = {name for name in asked if not name.startswith("FEAST_")}
    assert alike <= services["api"]["environment"].keys()
    start = (ROOT / "docker/nginx/start").read_text()
    limits = set(re.findall(r"\(number ([A-Z_]+) ", start))
    assert limits
    assert limits <= services["nginx"]["environment"].keys()


def test_defaults_that_the_example_shows_are_those_of_the_service_and_of_nginx() -> None:
    shown = dict(
        re.findall(r"^# ([A-Z_]+)=(\S+)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    )
    start = (ROOT / "docker/nginx/start").read_text()
    for name, default in re.findall(r"\(number ([A-Z_]+) (\d+) ", start):
        assert shown[name] == default, name
    for field, name in ServiceSettings.variables().items():
        default = ServiceSettings.model_fields[field].default
        if isinstance(default, int | float) and not isinstance(default, bool):
            assert float(shown[name]) == default, name


def test_bodies_that_wait_in_nginx_can_not_take_all_its_memory(services: dict[str, Any]) -> None:
    nginx = services["nginx"]
    [(kept, limit)] = [
        (re.search(r"size=(\d+)m$", one), nginx["deploy"]["resources"]["limits"]["memory"])
        for one in nginx["tmpfs"]
    ]
    assert kept
    assert 2 * int(kept[1]) <= int(limit.removesuffix("M"))


PUBLISHED = {"webserver", "registry", "nginx", "api-feast", "feast", "grafana"}
"""Services that listen on this machine."""
IN_A_CHECKOUT = {"postgres", "mlflow", "prometheus", "alertmanager"}


def test_only_intended_services_listen_on_this_machine_and_on_loopback_unless_told_otherwise(
    services: dict[str, Any], local: dict[str, Any]
) -> None:
    assert {name for name, one in services.items() if "ports" in one} == PUBLISHED
    assert {name for name, one in local.items() if "ports" in one} == IN_A_CHECKOUT
    for name, one in (*services.items(), *local.items()):
        for port in one.get("ports", []):
            addresses = r"(\$\{(BIND|PUBLIC)_ADDRESS:-127\.0\.0\.1\}|127\.0\.0\.1)"
            assert re.match(rf"{addresses}:\$\{{[A-Z_]+_PORT:-\d+\}}:\d+$", port), name
