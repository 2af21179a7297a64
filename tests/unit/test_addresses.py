"""What the exporter asks is where other rooms and files have it; it may import none of them."""

import re
import runpy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from platform_metrics.settings import Settings
from run_containers.states import STATES_FILE
from tests.conftest import ROOT

SETTINGS = Settings()
SHARED = "/var/lib/dagster/storage"
HEALTH = runpy.run_path(str(ROOT / "docker" / "health"))["PAGES"]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of a checkout, with the ports of both files."""
    found, local = (
        yaml.safe_load((ROOT / f"docker-compose{kind}.yml").read_text())["services"]
        for kind in ("", ".local")
    )
    ports = {
        name: one.get("ports", local.get(name, {}).get("ports")) for name, one in found.items()
    }
    return {name: {**one, "ports": ports[name] or []} for name, one in found.items()}


def listens_on(service: dict[str, Any]) -> set[str]:
    """Ports inside the container that Compose publishes."""
    return {str(port).rpartition(":")[2] for port in service["ports"]}


def test_the_file_of_containers_is_where_the_run_keeper_writes_it(services: dict[str, Any]) -> None:
    assert SETTINGS.containers == Path(STATES_FILE)
    assert STATES_FILE.startswith(f"{SHARED}/")
    for name in ("metrics", "run-keeper"):
        assert f"logs:{SHARED}" in {one.removesuffix(":ro") for one in services[name]["volumes"]}


@pytest.mark.parametrize(("service", "page"), SETTINGS.pages.items())
def test_pages_are_those_of_the_health_checks(
    services: dict[str, Any], service: str, page: str
) -> None:
    assert page == HEALTH[service].replace("127.0.0.1", service)
    assert str(urlsplit(page).port) in listens_on(services[service])


def test_dagster_and_the_certificate_are_where_compose_has_them(services: dict[str, Any]) -> None:
    dagster = urlsplit(SETTINGS.dagster)
    assert str(dagster.port) in listens_on(services[str(dagster.hostname)])
    service, _, port = SETTINGS.tls.partition(":")
    assert port in listens_on(services[service])


def test_nginx_tells_its_figures_where_they_are_read() -> None:
    page = urlsplit(SETTINGS.nginx)
    text = (ROOT / "docker" / "nginx" / "nginx.conf").read_text()
    [found] = re.findall(r"listen (\d+);[^}]*location = (\S+) \{ stub_status", text)
    assert found == (str(page.port), page.path)


def test_prometheus_and_the_health_check_ask_the_exporters_port() -> None:
    watched = yaml.safe_load((ROOT / "docker" / "prometheus" / "prometheus.yml").read_text())
    [job] = [one for one in watched["scrape_configs"] if one["job_name"] == "platform"]
    assert job["static_configs"] == [{"targets": [f"metrics:{SETTINGS.port}"]}]
    assert urlsplit(HEALTH["metrics"]).port == SETTINGS.port
