"""The scan of an image's packages: its policy, what refuses a release, and its report."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from serving.release.scan.policy import PolicyError, ScanPolicy, read_policy
from serving.release.scan.report import NOT_SCANNED, ScanReport
from serving.release.scan.scanning import scan
from tests.unit.advisory_cases import CRITICAL, LOW, OPENSSL, TORNADO, advisory, affected, zipped

TODAY = date(2026, 11, 22)
ACCEPTED = {"id": "TEST-1", "reason": "we never parse cookies"}


def vector(score: str) -> list[dict[str, str]]:
    return [{"type": "CVSS_V3", "score": score}]


@pytest.fixture
def scanned(tmp_path: Path) -> Any:
    """Scans Tornado and OpenSSL with a policy and a database."""

    def report(policy: dict[str, Any], *entries: dict[str, Any]) -> ScanReport:
        database = zipped(tmp_path / "all.zip", *entries)
        return scan([TORNADO, OPENSSL], database, ScanPolicy.model_validate(policy), TODAY)

    return report


def test_without_a_database_nothing_is_scanned_and_the_report_says_so() -> None:
    report = scan([TORNADO], None, ScanPolicy(), TODAY)
    assert not report.is_scanned
    assert report.refused == ()
    assert NOT_SCANNED in report.to_markdown()
    assert json.loads(report.to_json())["database"] is None


@pytest.mark.parametrize(
    ("fail_at", "score", "is_refused"),
    [
        ("critical", CRITICAL, True),
        ("high", CRITICAL, True),
        ("medium", LOW, False),
        ("low", LOW, True),
        ("none", LOW, True),
    ],
)
def test_a_release_is_refused_from_a_level_on(
    scanned: Any, fail_at: str, score: str, is_refused: bool
) -> None:
    report = scanned({"fail_at": fail_at}, advisory(severity=vector(score)))
    assert bool(report.refused) is is_refused
    assert len(report.findings) == 1


@pytest.mark.parametrize(
    ("policy", "is_refused"),
    [({}, True), ({"unknown_counts_as": "medium"}, False), ({"fail_at": "critical"}, False)],
)
def test_an_unknown_severity_counts_as_the_policy_says(
    scanned: Any, policy: dict[str, Any], is_refused: bool
) -> None:
    assert bool(scanned(policy, advisory()).refused) is is_refused


def test_a_reason_names_package_advisory_and_fix(scanned: Any) -> None:
    part = affected(
        ranges=[{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "6.4.2"}]}]
    )
    [reason] = scanned({}, advisory(part, severity=vector(CRITICAL))).refused
    assert reason.startswith("Tornado_Web 6.4.1 has TEST-1 (critical, fixed in 6.4.2)")


@pytest.mark.parametrize("known_as", ["TEST-1", "CVE-1"])
def test_an_accepted_advisory_refuses_nothing_and_stays_in_the_report(
    scanned: Any, known_as: str
) -> None:
    report = scanned({"accepted": [{**ACCEPTED, "id": known_as}]}, advisory(aliases=["CVE-1"]))
    assert report.refused == ()
    assert [one.accepted for one in report.findings] == ["we never parse cookies"]
    assert "we never parse cookies" in report.to_markdown()


@pytest.mark.parametrize(("until", "is_refused"), [("2026-11-22", False), ("2026-11-21", True)])
def test_what_was_accepted_until_a_day_counts_again_after_it(
    scanned: Any, until: str, is_refused: bool
) -> None:
    report = scanned({"accepted": [{**ACCEPTED, "until": until}]}, advisory())
    assert bool(report.refused) is is_refused


def test_another_advisory_is_not_accepted_along(scanned: Any) -> None:
    report = scanned({"accepted": [ACCEPTED]}, advisory(), advisory(id="TEST-12"))
    assert [one.id for one in report.findings if one.is_refusing] == ["TEST-12"]


@pytest.mark.parametrize(("days", "is_refused"), [(2, False), (1, True)])
def test_a_database_that_is_too_old_refuses_a_release(
    scanned: Any, days: int, is_refused: bool
) -> None:
    report = scanned({"largest_age_days": days}, advisory(affected("npm", "x")))
    assert report.database is not None
    assert report.database.age_days == 2
    assert bool(report.refused) is is_refused
    assert all("2 days old (its newest entry is of 2026-11-20)" in one for one in report.refused)


def test_an_ecosystem_that_the_database_lacks_is_named(scanned: Any) -> None:
    report = scanned({}, advisory(affected("npm", "x")), advisory(affected("PyPI", "other")))
    assert report.packages == 1
    assert report.unscanned == ("1 packages of Debian:12: the database has no advisories about it",)
    assert report.unscanned[0] in report.to_markdown()


def test_the_worst_stands_first(scanned: Any) -> None:
    report = scanned(
        {},
        advisory(id="A", severity=vector(LOW)),
        advisory(id="B", severity=vector(CRITICAL)),
        advisory(id="C"),
    )
    assert [one.id for one in report.findings] == ["C", "B", "A"]


def test_many_reasons_are_counted(scanned: Any) -> None:
    report = scanned({}, *(advisory(id=f"TEST-{number:02}") for number in range(13)))
    assert len(report.refused) == 11
    assert report.refused[-1].startswith("and 3 more advisories")


def test_the_page_states_the_databases_day_and_age(scanned: Any) -> None:
    page = scanned({}, advisory()).to_markdown()
    assert "with 1 advisories (PyPI 1). The newest of them is of 2026-11-20, 2 days before" in page


def test_a_text_of_the_database_does_not_break_the_table(scanned: Any) -> None:
    page = scanned({}, advisory(summary="a | b\n<script>`")).to_markdown()
    assert "| a &#124; b &lt;script>' |" in page


def test_a_report_is_the_same_after_json(scanned: Any) -> None:
    report = scanned({}, advisory())
    assert ScanReport.model_validate_json(report.to_json()) == report


def test_a_policy_is_read(tmp_path: Path) -> None:
    path = tmp_path / "scan.yaml"
    path.write_text(
        "fail_at: critical\naccepted:\n- {id: CVE-1, reason: no shell, until: 2027-01-31}\n"
    )
    policy = read_policy(path)
    assert (policy.fail_at, policy.unknown_counts_as) == ("critical", "high")
    assert policy.accepted[0].until == date(2027, 1, 31)


def test_an_empty_policy_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "scan.yaml").touch()
    assert read_policy(tmp_path / "scan.yaml") == ScanPolicy()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fail_at: severe", "fail_at: "),
        ("fail_on: high", "fail_on: Extra inputs"),
        ("largest_age_days: -1", "largest_age_days: "),
        ("accepted: [{id: CVE-1}]", r"accepted\.0\.reason: Field required"),
        ("accepted: [{id: CVE-1, reason: ''}]", r"accepted\.0\.reason: "),
        ("accepted: [{id: CVE-1, reason: x, until: soon}]", r"accepted\.0\.until: "),
        (
            "accepted: [{id: A, reason: x}, {id: A, reason: y}]",
            "accepted: .*A is accepted more than once",
        ),
        ("- high", "has a mistake: Input should be"),
        ("fail_at: [", "can't be read"),
    ],
)
def test_a_mistake_in_a_policy_is_named(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "scan.yaml").write_text(text)
    with pytest.raises(PolicyError, match=f"scan.yaml .*{told}"):
        read_policy(tmp_path / "scan.yaml")


def test_a_policy_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"scan.yaml can't be read: .*No such file"):
        read_policy(tmp_path / "scan.yaml")
