"""Grafana's dashboards, as far as files can be wrong; their queries are asked elsewhere."""

import configparser
import json
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

HOME = ROOT / "docker" / "grafana"
DASHBOARDS = {
    path.stem: json.loads(path.read_text()) for path in sorted(HOME.glob("dashboards/*.json"))
}


def panels(name: str) -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARDS[name]["panels"] if panel["type"] != "row"]


def provisioned(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((HOME / "provisioning" / kind).read_text())
    return found


def test_there_is_one_for_the_pipeline_one_for_the_machine_one_for_the_service() -> None:
    assert set(DASHBOARDS) == {"pipeline", "system", "application"}
    assert len({one["uid"] for one in DASHBOARDS.values()}) == 3


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_panel_says_what_it_shows_and_in_which_unit(name: str) -> None:
    for panel in panels(name):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"], panel["title"]
        assert defaults["thresholds"]["steps"], panel["title"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_query_goes_to_the_data_source_that_is_provisioned(name: str) -> None:
    known = {one["uid"] for one in provisioned("datasources/prometheus.yml")["datasources"]}
    queries = [target for panel in panels(name) for target in panel["targets"]]
    for one in (*queries, *DASHBOARDS[name]["templating"]["list"]):
        assert one["datasource"]["uid"] in known


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_panel_has_a_place_of_its_own(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARDS[name]["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARDS[name]["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_variable_is_used(name: str) -> None:
    text = json.dumps(DASHBOARDS[name]["panels"])
    for variable in DASHBOARDS[name]["templating"]["list"]:
        assert f"${variable['name']}" in text


def test_what_is_changed_in_the_browser_does_not_replace_the_files() -> None:
    [provider] = provisioned("dashboards/dashboards.yml")["providers"]
    assert provider["allowUiUpdates"] is False
    assert provider["options"] == {"path": "/etc/grafana/dashboards"}


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("auth.anonymous", "enabled", "false"),
        ("users", "allow_sign_up", "false"),
        ("security", "disable_gravatar", "true"),
        ("analytics", "reporting_enabled", "false"),
        ("analytics", "check_for_updates", "false"),
        ("analytics", "check_for_plugin_updates", "false"),
        ("plugins", "preinstall_disabled", "true"),
        ("plugins", "public_key_retrieval_disabled", "true"),
        ("snapshots", "external_enabled", "false"),
    ],
)
def test_grafana_lets_nobody_in_and_asks_nobody(section: str, name: str, value: str) -> None:
    settings = configparser.ConfigParser()
    settings.read(HOME / "grafana.ini")
    assert settings[section][name] == value


def test_the_first_page_is_one_of_the_dashboards() -> None:
    settings = configparser.ConfigParser()
    settings.read(HOME / "grafana.ini")
    first = settings["dashboards"]["default_home_dashboard_path"]
    assert first.rpartition("/")[2].removesuffix(".json") in DASHBOARDS
