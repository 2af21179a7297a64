"""Alerts reach a webhook: Prometheus and Alertmanager with our files, made quick."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.docker.engine import engine
from tests.docker.monitoring import PYTHON, Site, site
from tests.docker.platform import until

pytestmark = pytest.mark.docker

HOOK = "9f3c1a77"
RECEIVER = """
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        print(body.decode(), flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_): ...

HTTPServer(("", 9000), Handler).serve_forever()
"""


def quick(home: Path, place: Path) -> Path:
    """A copy of configuration files whose waits are seconds instead of minutes."""
    copy = shutil.copytree(home, place / home.name)
    for path in copy.rglob("*.yml"):
        text = re.sub(
            r"(group_wait|group_interval|interval|for): \d+[smh]", r"\1: 1s", path.read_text()
        )
        path.write_text(
            re.sub(r"(scrape_interval|evaluation_interval|scrape_timeout): \w+", r"\1: 1s", text)
        )
    return copy


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    place = tmp_path_factory.mktemp("quick")
    with site() as case:
        case.start("webhook", PYTHON, command=["python3", "-u", "-c", RECEIVER])
        case.start_alertmanager(
            f"--env=ALERT_WEBHOOK_URL=http://webhook:9000/{HOOK}",
            home=quick(ROOT / "docker" / "alertmanager", place),
        )
        case.start_prometheus(home=quick(ROOT / "docker" / "prometheus", place))
        yield case


def logs(case: Site, service: str) -> str:
    command = ("docker", "logs", f"{case.name}-{service}-1")
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    return said.stdout + said.stderr


def delivered(case: Site) -> list[dict[str, Any]]:
    lines = engine("logs", f"{case.name}-webhook-1").splitlines()
    return [json.loads(line) for line in lines if line]


def jobs(notification: dict[str, Any], status: str) -> set[str]:
    return {alert["labels"]["job"] for alert in notification["alerts"] if alert["status"] == status}


def test_targets_that_are_away_are_told_together_and_with_a_page_to_read(running: Site) -> None:
    def together() -> dict[str, Any] | None:
        found = [
            one for one in delivered(running) if one["groupLabels"]["alertname"] == "TargetDown"
        ]
        whole = [one for one in found if jobs(one, "firing") >= {"mlflow", "node", "platform"}]
        return whole[0] if whole else None

    notification = until(together, seconds=60, what="an alert of three targets")
    assert notification["commonLabels"]["severity"] == "warning"
    annotations = notification["alerts"][0]["annotations"]
    assert annotations["runbook_url"] == "docs/alerts.md#target-down"
    assert re.search(r"no figures of \w+ at \S+, for two minutes", annotations["description"])


def test_an_alert_that_is_over_is_told_too(running: Site) -> None:
    running.start_node_exporter()
    told = until(
        lambda: [one for one in delivered(running) if "node" in jobs(one, "resolved")],
        seconds=60,
        what="the end of the alert",
    )
    assert told[0]["groupLabels"]["alertname"] == "TargetDown"


def test_the_webhooks_address_is_in_no_log_and_in_a_file_for_its_owner(running: Site) -> None:
    assert HOOK not in logs(running, "alertmanager")
    made = "/tmp/alertmanager.yml"  # noqa: S108  in the container
    mode = engine("exec", f"{running.name}-alertmanager-1", "stat", "-c", "%a", made)
    assert mode == "600"


@pytest.mark.parametrize(
    ("port", "path", "answers"),
    [("9090", "/-/healthy", True), ("9090", "/nowhere", False), ("9091", "/-/healthy", False)],
)
def test_the_health_check_tells_who_answers(
    running: Site, port: str, path: str, *, answers: bool
) -> None:
    check = ("sh", "/usr/local/bin/answers", port, path)
    command = ["docker", "exec", f"{running.name}-prometheus-1", *check]
    assert (subprocess.run(command, capture_output=True, check=False).returncode == 0) is answers


def test_without_a_webhook_alerts_are_only_shown() -> None:
    with site() as case:
        case.start_alertmanager()
        assert "sent to nobody" in logs(case, "alertmanager")
