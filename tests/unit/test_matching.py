"""Which advisories are about a package in its version."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from serving.release.contents.packages import Package
from serving.release.scan.advisories import read_advisories
from serving.release.scan.matching import Match, find_matches, scanned
from tests.unit.advisory_cases import (
    CPYTHON,
    CRITICAL,
    LOW,
    OPENSSL,
    TORNADO,
    advisory,
    affected,
    ranges,
    zipped,
)

ALL = {"introduced": "0"}
V4_HIGH = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N"
V2_HIGH = "AV:N/AC:L/Au:N/C:C/I:C/A:C"


@pytest.fixture
def matches(tmp_path: Path) -> Any:
    def find(package: Package, *entries: dict[str, Any]) -> list[Match]:
        known = scanned(package)
        assert known is not None
        database = zipped(tmp_path / "all.zip", *entries)
        return [*find_matches([known], read_advisories(database, wanted=known.identities))]

    return find


def tornado(version: str) -> Package:
    return dataclasses.replace(TORNADO, version=version)


def openssl(version: str) -> Package:
    return dataclasses.replace(OPENSSL, source_version=version)


@pytest.mark.parametrize(
    ("events", "inside", "outside"),
    [
        ([ALL], ["0.1", "99"], []),
        ([ALL, {"fixed": "6.4.2"}], ["6.4.1", "6.4.2rc1"], ["6.4.2", "6.10"]),
        ([{"introduced": "6.4"}, {"fixed": "6.5"}], ["6.4", "6.4.9"], ["6.3.9", "6.5", "7"]),
        ([ALL, {"last_affected": "6.4"}], ["6.3", "6.4", "6.4.0"], ["6.4.1", "6.5"]),
        (
            [{"introduced": "3"}, {"fixed": "3.2"}, {"introduced": "1"}, {"fixed": "1.0.2"}],
            ["1.0.1", "3.1"],
            ["0.9", "1.0.2", "2", "3.2", "10"],
        ),
        ([ALL, {"limit": "6.5"}], ["6.4"], ["6.5", "7"]),
        ([ALL, {"limit": "*"}], ["6.4"], []),
        ([ALL, {"limit": "2"}, {"limit": "5"}], ["4"], ["5"]),
        ([{"introduced": "6.10"}], ["6.10", "6.11"], ["6.9"]),
    ],
)
def test_a_version_is_in_a_range_or_not(
    matches: Any, events: list[dict[str, str]], inside: list[str], outside: list[str]
) -> None:
    entry = advisory(affected(ranges=ranges(*events)))
    found = {one: bool(matches(tornado(one), entry)) for one in (*inside, *outside)}
    assert found == {**dict.fromkeys(inside, True), **dict.fromkeys(outside, False)}


@pytest.mark.parametrize(
    ("own", "fixed", "is_affected"),
    [
        ("3.0.15-1~deb12u1", "3.0.15-1~deb12u2", True),
        ("3.0.15-1~deb12u1", "3.0.15-1~deb12u1", False),
        ("3.0.15-1~deb12u1", "3.0.15-1", True),
        ("1:1.0-1", "2.0-1", False),
        ("3.0.15+dfsg-1", "3.0.15-1", False),
    ],
)
def test_versions_of_debian_are_compared_as_debian_does(
    matches: Any, own: str, fixed: str, is_affected: bool
) -> None:
    entry = advisory(affected("Debian:12", "openssl", ranges=ranges(ALL, {"fixed": fixed})))
    assert bool(matches(openssl(own), entry)) is is_affected


@pytest.mark.parametrize(
    ("ecosystem", "name", "is_affected"),
    [
        ("Debian:12", "openssl", True),
        ("Debian", "openssl", True),
        ("Debian:11", "openssl", False),
        ("Debian:12", "libssl3", False),
        ("PyPI", "openssl", False),
    ],
)
def test_debian_packages_are_known_by_their_source_and_release(
    matches: Any, ecosystem: str, name: str, is_affected: bool
) -> None:
    entry = advisory(affected(ecosystem, name, ranges=ranges(ALL)))
    assert bool(matches(OPENSSL, entry)) is is_affected


@pytest.mark.parametrize(("listed", "is_affected"), [("6.4.1", True), ("6.4", False)])
def test_listed_versions_are_affected(matches: Any, listed: str, is_affected: bool) -> None:
    entry = advisory(affected(versions=["1.0", "no version!", listed]))
    assert bool(matches(TORNADO, entry)) is is_affected


def test_a_listed_version_may_be_written_otherwise(matches: Any) -> None:
    assert matches(tornado("6.4.0"), advisory(affected(versions=["6.4"])))


@pytest.mark.parametrize(
    ("fixed", "is_affected"), [("3.11.14", False), ("3.11.15", True), ("3.12.0-rc1", True)]
)
def test_the_interpreter_is_scanned_too(matches: Any, fixed: str, is_affected: bool) -> None:
    span = ranges({"introduced": "3.11.0"}, {"fixed": fixed}, kind="SEMVER")
    entry = advisory(affected("Bitnami", "python", ranges=span))
    assert bool(matches(CPYTHON, entry)) is is_affected


def test_commits_of_git_tell_nothing_about_a_package(matches: Any) -> None:
    assert matches(TORNADO, advisory(affected(ranges=ranges(ALL, kind="GIT")))) == []


def test_an_advisory_that_was_withdrawn_does_not_count(matches: Any) -> None:
    assert matches(TORNADO, advisory(withdrawn="2026-11-21T00:00:00Z")) == []


def test_a_range_that_nobody_understands_counts_and_says_so(matches: Any) -> None:
    span = ranges(ALL, {"fixed": "no version!"})
    [found] = matches(TORNADO, advisory(affected(ranges=span)))
    assert not found.is_certain
    assert matches(TORNADO, advisory(affected(ranges=span, versions=["1.0"]))) == []


def test_an_advisory_counts_once_for_a_package(matches: Any) -> None:
    part = affected(ranges=ranges(ALL, {"fixed": "7"}))
    [found] = matches(TORNADO, advisory(part, part))
    assert (found.fixed, found.is_certain) == (("7",), True)


def test_a_version_that_is_none_is_not_scanned() -> None:
    assert scanned(tornado("of today")) is None


@pytest.mark.parametrize(
    ("fields", "level"),
    [
        ({"severity": [{"type": "CVSS_V3", "score": CRITICAL}]}, "critical"),
        ({"severity": [{"type": "CVSS_V3", "score": LOW}]}, "low"),
        ({"severity": [{"type": "CVSS_V2", "score": V2_HIGH}]}, "high"),
        ({"severity": [{"type": "CVSS_V4", "score": V4_HIGH}]}, "high"),
        (
            {
                "severity": [
                    {"type": "CVSS_V3", "score": LOW},
                    {"type": "CVSS_V3", "score": CRITICAL},
                ]
            },
            "critical",
        ),
        (
            {
                "severity": [{"type": "CVSS_V3", "score": LOW}],
                "database_specific": {"severity": "CRITICAL"},
            },
            "low",
        ),
        ({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/nonsense"}]}, "unknown"),
        ({"severity": [{"type": "Ubuntu", "score": "medium"}]}, "medium"),
        ({"database_specific": {"severity": "MODERATE"}}, "medium"),
        ({"database_specific": {"severity": "terrible"}}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_a_severity_is_of_the_vectors_or_of_the_database(
    matches: Any, fields: dict[str, Any], level: str
) -> None:
    [found] = matches(TORNADO, advisory(**fields))
    assert found.level == level


def test_the_severity_for_a_package_goes_before_that_of_the_advisory(matches: Any) -> None:
    own = affected(ranges=ranges(ALL), severity=[{"type": "CVSS_V3", "score": LOW}])
    [found] = matches(TORNADO, advisory(own, severity=[{"type": "CVSS_V3", "score": CRITICAL}]))
    assert found.level == "low"


def test_debians_urgency_is_a_severity(matches: Any) -> None:
    part = affected(
        "Debian:12",
        "openssl",
        ranges=ranges(ALL),
        ecosystem_specific={"urgency": "unimportant"},
    )
    [found] = matches(OPENSSL, advisory(part))
    assert found.level == "low"
