"""Compares the packages of an image with a database of advisories and judges what is found."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date
from pathlib import Path

from serving.release.contents.packages import Package
from serving.release.scan.advisories import Advisories, read_advisories
from serving.release.scan.matching import Scanned, find_matches, scanned
from serving.release.scan.policy import ScanPolicy
from serving.release.scan.report import DatabaseFacts, Finding, ScanReport
from serving.release.scan.severity import LEVELS, Severity

NAMED = 10
"""How many advisories a reason names."""


def scan(
    packages: Sequence[Package], database: Path | None, policy: ScanPolicy, today: date
) -> ScanReport:
    """Scans the packages of an image.

    Args:
        packages: What `read_image` has found.
        database: A file or directory of advisories in the OSV format; None if none is configured:
            then nothing is scanned, and the report says so.
        policy: Which advisories refuse a release.
        today: The day of the scan, in UTC.

    Raises:
        AdvisoryError: The database can't be read.
    """
    if database is None:
        return ScanReport(day=today)
    distinct = {package.key: package for package in packages}.values()
    known = [one for one in map(scanned, distinct) if one is not None]
    wanted = {identity for one in known for identity in one.identities}
    advisories = read_advisories(database, wanted=wanted)
    covered = [one for one in known if _is_covered(one, advisories)]
    found = [Finding.of(one, policy, today) for one in find_matches(covered, advisories)]
    facts = _facts(advisories, today)
    return ScanReport(
        day=today,
        database=facts,
        packages=len(covered),
        unscanned=_unscanned(distinct, known, advisories),
        findings=tuple(sorted(found, key=_order)),
        refused=_refused(found, facts, policy),
    )


def _is_covered(package: Scanned, advisories: Advisories) -> bool:
    return any(ecosystem in advisories.ecosystems for ecosystem, _ in package.identities)


def _unscanned(
    packages: Iterable[Package], known: Sequence[Scanned], advisories: Advisories
) -> tuple[str, ...]:
    """What was left out, and why."""
    understood = {one.package.key for one in known}
    missing = Counter(one.identities[0][0] for one in known if not _is_covered(one, advisories))
    return (
        *(
            f"{one.name} {one.version}: no version of its ecosystem"
            for one in packages
            if one.key not in understood
        ),
        *(
            f"{count} packages of {ecosystem}: the database has no advisories about it"
            for ecosystem, count in sorted(missing.items())
        ),
    )


def _facts(advisories: Advisories, today: date) -> DatabaseFacts:
    newest = advisories.newest.astimezone(UTC).date()
    return DatabaseFacts(
        newest=newest,
        age_days=max(0, (today - newest).days),
        advisories=advisories.count,
        ecosystems=advisories.ecosystems,
    )


def _order(finding: Finding) -> tuple[int, str, str]:
    """The worst first; what is unknown may be the worst."""
    unknown = finding.severity is Severity.UNKNOWN
    rank = len(LEVELS) if unknown else LEVELS.index(finding.severity)
    return -rank, finding.package.lower(), finding.id


def _refused(
    findings: Iterable[Finding], database: DatabaseFacts, policy: ScanPolicy
) -> tuple[str, ...]:
    reasons = []
    if database.age_days > policy.largest_age_days:
        reasons.append(
            f"the advisory database is {database.age_days} days old (its newest entry is of "
            f"{database.newest}), more than the {policy.largest_age_days} that the policy allows; "
            "fetch a new one"
        )
    refusing = sorted((one for one in findings if one.is_refusing), key=_order)
    reasons += [_reason(one) for one in refusing[:NAMED]]
    if len(refusing) > NAMED:
        reasons.append(f"and {len(refusing) - NAMED} more advisories, which the report names")
    return tuple(reasons)


def _reason(finding: Finding) -> str:
    told = f"fixed in {', '.join(finding.fixed)}" if finding.fixed else "not fixed yet"
    return (
        f"{finding.package} {finding.version} has {finding.id} ({finding.severity.value}, {told}); "
        "update it, or accept the advisory in the policy with a reason"
    )
