"""Each alert is tested, told in words, and has a page that says what to do."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

HOME = ROOT / "docker" / "prometheus"
PAGE = ROOT / "docs/alerts.md"


def _rules() -> list[dict[str, Any]]:
    documents = [yaml.safe_load(path.read_text()) for path in sorted(HOME.glob("rules/*.yml"))]
    return [rule for one in documents for group in one["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in _rules() if "alert" in rule}


def _cases() -> list[dict[str, Any]]:
    documents = [yaml.safe_load(path.read_text()) for path in sorted(HOME.glob("tests/*.yml"))]
    return [case for one in documents for test in one["tests"] for case in test["promql_expr_test"]]


def _of(alert: str) -> list[dict[str, Any]]:
    named = re.compile(rf'ALERTS{{[^}}]*alertname="{alert}"|ALERTS$')
    return [case for case in _cases() if named.search(case["expr"])]


def test_there_are_alerts() -> None:
    assert len(ALERTS) > 20


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_case_that_fires_and_one_that_does_not(alert: str) -> None:
    cases = _of(alert)
    assert any(case["exp_samples"] for case in cases)
    assert any(not case["exp_samples"] for case in cases)


@pytest.mark.parametrize("alert", ALERTS)
def test_labels_that_an_alerts_words_need_are_those_of_a_case_that_fires(alert: str) -> None:
    told = set(re.findall(r"\$labels\.(\w+)", str(ALERTS[alert]["annotations"])))
    shown = [str(case) for case in _of(alert) if case["exp_samples"]]
    assert any(all(re.search(rf'\b{label}="', one) for label in told) for one in shown)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_how_bad_it_is_and_what_to_do(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url"}
    anchor = re.sub(r"(?<!^)(?=[A-Z])", "-", alert).lower()
    assert notes["runbook_url"] == f"docs/alerts.md#{anchor}"


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_its_section_in_the_docs(alert: str) -> None:
    title = re.sub(r"(?<!^)(?=[A-Z])", " ", alert).capitalize()
    sections = [re.findall(r"^#+ (.*)$", PAGE.read_text(), re.MULTILINE)]
    assert title in {title for section in sections for title in section}


def test_every_limit_stands_in_one_place() -> None:
    limits = {
        rule["record"] for rule in _rules() if rule.get("record", "").startswith("objective:")
    }
    used = set(re.findall(r"objective:\w+", " ".join(rule["expr"] for rule in _rules())))
    assert used == limits


def test_recorded_series_that_are_used_are_recorded() -> None:
    recorded = {rule["record"] for rule in _rules() if "record" in rule}
    used = re.findall(r"[a-z_]+(?::\w+)+", " ".join(rule["expr"] for rule in _rules()))
    assert set(used) <= recorded


def test_rules_do_not_match_buckets_of_whole_numbers() -> None:
    """Prometheus 3 calls the bucket `10` of a version before it `10.0`."""
    texts = [path.read_text() for path in Path(HOME / "rules").glob("*.yml")]
    assert not re.search(r'le=~?"\d+"', " ".join(texts))
