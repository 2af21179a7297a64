"""Every panel of Grafana shows something: its queries, asked of a Prometheus that watched a load.

Grafana itself is not started here; what it would ask is.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from serving.release.image import ServiceImage
from tests.conftest import ROOT
from tests.docker.monitoring import Site, site
from tests.docker.platform import until
from tests.docker.watched_platform import make_history, start_services, under_load

pytestmark = pytest.mark.docker

FILES = sorted((ROOT / "docker" / "grafana" / "dashboards").glob("*.json"))
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in FILES}
JOBS = {"api", "platform", "mlflow", "node", "prometheus", "alertmanager"}
LOAD_SECONDS = 75
GIVEN = {"__rate_interval": "1m", "__interval": "15s", "__range": "15m"}
LABEL_VALUES = re.compile(r"label_values\((?P<series>.*), (?P<label>\w+)\)")


def _queries() -> list[Any]:
    return [
        pytest.param(name, target["expr"], id=f"{name}: {panel['title']} {target['refId']}")
        for name, dashboard in DASHBOARDS.items()
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    ]


def _variables() -> list[Any]:
    return [
        pytest.param(one["definition"], id=f"{name}: {one['name']}")
        for name, dashboard in DASHBOARDS.items()
        for one in dashboard["templating"]["list"]
    ]


@pytest.fixture(scope="module")
def watched(oven_image: ServiceImage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A platform that was under load for a while, and that Prometheus has seen."""
    home = tmp_path_factory.mktemp("dagster")
    with site() as case:
        dagster = start_services(case, oven_image, home)
        make_history(dagster)
        with under_load(case, home):
            until(lambda: _up(case) >= JOBS, seconds=240, what="figures of every job")
            until(lambda: _has_seen(case, LOAD_SECONDS), seconds=420, what="figures of a while")
            yield case


def _up(case: Site) -> set[str]:
    return {series["metric"]["job"] for series in case.query("up == 1")}


def _has_seen(case: Site, seconds: int) -> bool:
    """Whether predictions were counted for a while, and rules about them evaluated."""
    rates = case.query(f"count_over_time(service:http_requests:rate5m[5m]) > {seconds // 15}")
    recorded = case.query("model_le:model_predictions:increase5m > 0")
    releases = case.query("platform_releases_failed > 0 and on () platform_containers_up == 1")
    return bool(rates and recorded and releases)


def _filled_in(expression: str, name: str) -> str:
    """An expression with all variables at `All`."""
    variables = {one["name"]: ".*" for one in DASHBOARDS[name]["templating"]["list"]}
    for variable, value in {**GIVEN, **variables}.items():
        expression = re.sub(rf"\${variable}\b|\${{{variable}}}", value, expression)
    assert "$" not in expression
    return expression


@pytest.mark.parametrize(("name", "expression"), _queries())
def test_no_panel_is_empty(watched: Site, name: str, expression: str) -> None:
    found = watched.query(_filled_in(expression, name))
    values = [float(series["value"][1]) for series in found]
    assert values
    assert any(value == value for value in values), "nothing but NaN"  # noqa: PLR0124


@pytest.mark.parametrize("definition", _variables())
def test_every_variable_has_values(watched: Site, definition: str) -> None:
    wanted = LABEL_VALUES.fullmatch(definition)
    assert wanted, definition
    found = watched.ask_prometheus(
        f"label/{wanted['label']}/values", **{"match[]": wanted["series"]}
    )
    assert found


def test_no_rule_fails(watched: Site) -> None:
    groups = watched.ask_prometheus("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 50
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] == "err"] == []


def test_what_was_planted_is_seen(watched: Site) -> None:
    [failed] = watched.query("platform_release_failed")
    assert (failed["metric"]["model"], failed["metric"]["version"]) == ("oven", "v3")
    outside = watched.query('model_inputs_outside_training_total{column="OT"} > 0')
    assert len(outside) == 1
    assert watched.query("model_inputs_missing_total > 0")
    assert watched.query("dagster_queue_runs == 1")
    assert watched.query('tls_certificate_not_after_timestamp_seconds{address="nginx:8443"}')


def test_alerts_of_what_was_planted_and_of_nothing_that_works(watched: Site) -> None:
    running = {
        series["metric"]["service"] for series in watched.query("platform_container_running")
    }
    assert running >= {"api", "mlflow", "nginx", "webserver", "metrics"}
    names = {series["metric"]["alertname"] for series in watched.query("ALERTS")}
    assert not names & {"ServiceDown", "ContainerDown", "TargetDown", "MonitoringBlind"}
    assert "ReleaseFailed" in names


def test_the_exporter_takes_less_than_forty_megabytes(watched: Site) -> None:
    [series] = watched.query('process_resident_memory_bytes{job="platform"}')
    assert float(series["value"][1]) < 40e6
    print(watched.memory())  # noqa: T201  shown with -s
