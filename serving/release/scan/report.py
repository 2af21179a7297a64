"""What a scan has found, as JSON and as Markdown."""

from collections.abc import Iterable
from datetime import date

from serving.release.markdown import plain, table
from serving.release.scan.matching import Match
from serving.release.scan.policy import ScanPolicy
from serving.release.scan.severity import Severity
from serving.runtime.spec import FrozenModel

NOT_SCANNED = "Not scanned: no advisory database is configured."
HEADER = ("Severity", "Package", "Version", "Advisory", "Fixed in", "Accepted", "Summary")
WIDTH = 80


class Finding(FrozenModel):
    """An advisory about a package of the image.

    Attributes:
        id: The advisory's id.
        aliases: Its ids in other databases.
        package: Name of the package.
        version: Its version in the image.
        severity: How severe it is.
        fixed: Versions that fix it.
        summary: What it is about.
        is_certain: False if the range of versions can't be understood; it counts all the same.
        accepted: Why it is accepted; None if it is not.
        is_refusing: Whether the policy refuses the release for it.
    """

    id: str
    aliases: tuple[str, ...]
    package: str
    version: str
    severity: Severity
    fixed: tuple[str, ...]
    summary: str
    is_certain: bool
    accepted: str | None
    is_refusing: bool

    @classmethod
    def of(cls, match: Match, policy: ScanPolicy, today: date) -> "Finding":
        """What a match means under a policy on a day."""
        advisory = match.advisory
        ids = {advisory.id, *advisory.aliases}
        reasons = [one.reason for one in policy.accepted if one.id in ids and one.counts_on(today)]
        return cls(
            id=advisory.id,
            aliases=advisory.aliases,
            package=match.package.name,
            version=match.package.version,
            severity=match.level,
            fixed=match.fixed,
            summary=advisory.summary,
            is_certain=match.is_certain,
            accepted=reasons[0] if reasons else None,
            is_refusing=not reasons and policy.refuses(match.level),
        )


class DatabaseFacts(FrozenModel):
    """Which database was used.

    Attributes:
        newest: Day on which its newest entry was changed.
        age_days: Days from then to the scan.
        advisories: Number of its entries.
        ecosystems: In how many of them each ecosystem occurs.
    """

    newest: date
    age_days: int
    advisories: int
    ecosystems: dict[str, int]


class ScanReport(FrozenModel):
    """What a scan has found.

    Attributes:
        day: The day of the scan.
        database: Which database was used; None if none was, then nothing was scanned.
        packages: Number of packages that were compared with it.
        unscanned: Packages that could not be, and why.
        findings: The advisories about the packages, the worst first.
        refused: Why the release is refused; empty if it is not.
    """

    day: date
    database: DatabaseFacts | None = None
    packages: int = 0
    unscanned: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def is_scanned(self) -> bool:
        """Whether the image was compared with a database at all."""
        return self.database is not None

    def is_news_after(self, earlier: "ScanReport") -> bool:
        """Whether it says more of the same packages than an earlier one; if not scanned, never."""
        same = (earlier.is_scanned, earlier.findings) == (True, self.findings)
        return self.is_scanned and not same

    def to_json(self) -> bytes:
        """The report as JSON."""
        return self.model_dump_json(indent=2).encode() + b"\n"

    def to_markdown(self) -> str:
        """The report as a page."""
        return "\n".join(("# Advisories about this image", "", *self._lines()))

    def _lines(self) -> Iterable[str]:
        if self.database is None:
            return (NOT_SCANNED, "")
        parts = [_about(self, self.database), ""]
        if self.unscanned:
            parts += ["Not scanned:", "", *(f"- {one}" for one in self.unscanned), ""]
        if self.refused:
            parts += ["Refused:", "", *(f"- {plain(one)}" for one in self.refused), ""]
        if not self.findings:
            return (*parts, "No advisory is about a package of this image.", "")
        return (*parts, *table(HEADER, map(_row, self.findings)), "")


def _about(report: ScanReport, database: DatabaseFacts) -> str:
    counts = ", ".join(f"{name} {count}" for name, count in database.ecosystems.items())
    return (
        f"{report.packages} packages were compared on {report.day} with {database.advisories} "
        f"advisories ({counts}). The newest of them is of {database.newest}, "
        f"{database.age_days} days before."
    )


def _row(finding: Finding) -> tuple[str, ...]:
    severity = finding.severity.value + ("" if finding.is_certain else " (versions unclear)")
    return (
        severity,
        finding.package,
        finding.version,
        finding.id,
        ", ".join(finding.fixed) or "-",
        finding.accepted or "-",
        finding.summary[:WIDTH],
    )
