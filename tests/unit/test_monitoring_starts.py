"""How the containers that watch are started: with which secrets, and which they refuse."""

import secrets
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

PRINT = (
    '#!/bin/sh\necho "$GF_SECURITY_ADMIN_USER $GF_SECURITY_ADMIN_PASSWORD|$GRAFANA_PASSWORD|$*"\n'
)
ALERTS = ROOT / "docker" / "alertmanager" / "alertmanager.yml"
EASY = "admin"
GOOD = "q7-violet-Harbour"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Programs that take the places of those of the images, and print what they were given."""
    (tmp_path / "tools").mkdir()
    for name, script in {
        "run.sh": PRINT,
        "alertmanager": '#!/bin/sh\necho "$@"\n',
        "prometheus": '#!/bin/sh\necho "$@" "PLATFORM_NAME=$PLATFORM_NAME"\n',
    }.items():
        path = tmp_path / "tools" / name
        path.write_text(script)
        path.chmod(0o755)
    return tmp_path / "tools"


def run(script: str, tools: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(ROOT / "docker" / script)],
        env={"PATH": f"{tools}:/usr/bin:/bin", "TMPDIR": str(tools), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def grafana(tools: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return run("grafana/start", tools, GRAFANA_RUN=str(tools / "run.sh"), **environment)


@pytest.mark.parametrize(
    "password",
    [
        "",
        "admin",
        "Admin",
        "admin123",
        "Password2024!",
        "changeme-2026",
        "short-one",
        "1234567890123",
        "aaaaaaaaaaaaaaaa",
        "the-operator-1",
    ],
)
def test_grafana_does_not_start_with_a_password_that_is_easily_guessed(
    tools: Path, password: str
) -> None:
    ended = grafana(tools, GRAFANA_USER="the-operator-1", GRAFANA_PASSWORD=password)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert "set GRAFANA_USER and GRAFANA_PASSWORD in .env" in ended.stderr
    assert password in ("", "admin") or password not in ended.stderr


@pytest.mark.parametrize("environment", [{}, {"APP_ENV": "production"}, {"APP_ENV": ""}])
def test_grafana_starts_with_a_good_one(tools: Path, environment: dict[str, str]) -> None:
    ended = grafana(tools, GRAFANA_USER="ada", GRAFANA_PASSWORD=GOOD, **environment)
    assert (ended.returncode, ended.stdout) == (0, f"ada {GOOD}||\n")


def test_in_a_clone_grafana_takes_any_password(tools: Path) -> None:
    ended = grafana(tools, APP_ENV="development", GRAFANA_PASSWORD=EASY)
    assert (ended.returncode, ended.stdout) == (0, f"admin {EASY}||\n")
    assert grafana(tools, APP_ENV="development").stdout == f"admin {EASY}||\n"


def test_a_generated_password_of_hexadecimal_digits_is_good(tools: Path) -> None:
    ended = grafana(tools, GRAFANA_PASSWORD=secrets.token_hex(16))
    assert ended.returncode == 0


def test_alerts_go_where_the_environment_says(tools: Path) -> None:
    url = "https://hooks.example.org/services/T0/abc?key=1&x=%20y"
    ended = run("alertmanager/start", tools, ALERT_WEBHOOK_URL=url, CONFIGURATION=str(ALERTS))
    assert ended.returncode == 0, ended.stderr
    path = tools / "alertmanager.yml"
    assert path.stat().st_mode & 0o777 == 0o600
    [receiver] = yaml.safe_load(path.read_text())["receivers"]
    assert receiver["webhook_configs"] == [{"url": url, "send_resolved": True}]
    assert url not in ended.stdout + ended.stderr


def test_without_an_address_alerts_go_nowhere(tools: Path) -> None:
    ended = run("alertmanager/start", tools, CONFIGURATION=str(ALERTS))
    assert "sent to nobody" in ended.stderr
    assert (tools / "alertmanager.yml").read_text() == ALERTS.read_text()


@pytest.mark.parametrize(
    "url", ["hooks.example.org", "ftp://x", "https://", "https://a b", "https://a'b"]
)
def test_an_address_that_is_none_is_refused(tools: Path, url: str) -> None:
    ended = run("alertmanager/start", tools, ALERT_WEBHOOK_URL=url, CONFIGURATION=str(ALERTS))
    assert ended.returncode == 2
    assert ended.stderr.startswith("ALERT_WEBHOOK_URL ")


@pytest.mark.parametrize(
    ("service", "variable", "port"),
    [("prometheus", "PROMETHEUS_URL", 9090), ("alertmanager", "ALERTMANAGER_URL", 9093)],
)
def test_alerts_name_an_address_that_people_can_open(
    tools: Path, service: str, variable: str, port: int
) -> None:
    script, own = f"{service}/start", {"CONFIGURATION": str(ALERTS)}
    without = run(script, tools, **own).stdout.split()
    assert f"--web.external-url=http://localhost:{port}" in without
    url = f"https://watch.example.org/{service}"
    told = run(script, tools, **own, **{variable: url}).stdout.split()
    assert {f"--web.external-url={url}", "--web.route-prefix=/"} <= set(told)


@pytest.mark.parametrize(
    ("environment", "name"), [({}, "ml-assets"), ({"PLATFORM_NAME": "oven"}, "oven")]
)
def test_alerts_say_which_platform_they_are_of(
    tools: Path, environment: dict[str, str], name: str
) -> None:
    told = run("prometheus/start", tools, **environment).stdout.split()
    assert {"--enable-feature=expand-external-labels", f"PLATFORM_NAME={name}"} <= set(told)
    watched = yaml.safe_load((ROOT / "docker" / "prometheus" / "prometheus.yml").read_text())
    assert watched["global"]["external_labels"] == {"platform": "${PLATFORM_NAME}"}


def test_the_files_hold_no_address() -> None:
    assert "webhook_configs" not in ALERTS.read_text()
