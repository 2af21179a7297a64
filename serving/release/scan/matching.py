"""Which advisories are about a package in its version, by the algorithm of the OSV format."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from univers.versions import (
    DebianVersion,
    InvalidVersion,
    PypiVersion,
    SemverVersion,
    Version,
)

from serving.release.contents.packages import Kind, Package
from serving.release.scan import severity
from serving.release.scan.advisories import (
    PYPI,
    Advisories,
    Advisory,
    Affected,
    Event,
    Identity,
    Range,
    identity,
)
from serving.release.scan.severity import Severity

DEBIAN = "Debian"
BITNAMI = "Bitnami"
"""The ecosystem in which osv.dev has the advisories about CPython itself, by the name python."""


@dataclass(frozen=True)
class Scanned:
    """A package as advisories name it.

    Attributes:
        identities: Its ecosystems and names; any of them may be used.
        version: Its version there: of a Debian package the one of its source.
        package: The package.
    """

    identities: tuple[Identity, ...]
    version: Version
    package: Package


@dataclass(frozen=True)
class Match:
    """An advisory that is about a package.

    Attributes:
        advisory: The advisory.
        package: The package.
        level: How severe it is for this package.
        fixed: The versions that fix it, as far as they are told.
        is_certain: False if the range of versions can't be understood; then it counts.
    """

    advisory: Advisory
    package: Package
    level: Severity
    fixed: tuple[str, ...]
    is_certain: bool


def scanned(package: Package) -> Scanned | None:
    """A package as advisories name it; None if its version is none of its ecosystem."""
    try:
        if package.kind is Kind.PYTHON:
            version: Version = PypiVersion(package.version)
            return Scanned((identity(PYPI, package.name),), version, package)
        if package.kind is Kind.INTERPRETER:
            return Scanned(((BITNAMI, "python"),), SemverVersion(package.version), package)
        ecosystems = (f"{DEBIAN}:{package.release}", DEBIAN)
        identities = tuple((one, package.source) for one in ecosystems)
        return Scanned(identities, DebianVersion(package.source_version), package)
    except InvalidVersion:
        return None


def find_matches(packages: Iterable[Scanned], advisories: Advisories) -> Iterator[Match]:
    """The advisories about packages in their versions; those that were withdrawn don't count."""
    index: dict[Identity, list[tuple[Advisory, Affected]]] = {}
    for advisory in advisories.relevant:
        if advisory.withdrawn is None:
            for affected in advisory.affected:
                if affected.identity is not None:
                    index.setdefault(affected.identity, []).append((advisory, affected))
    for package in packages:
        of_package = [pair for one in package.identities for pair in index.get(one, ())]
        yield from _matches(package, of_package)


def _matches(package: Scanned, pairs: Sequence[tuple[Advisory, Affected]]) -> Iterator[Match]:
    """One match for each advisory, even if several of its parts are about the package."""
    told: dict[str, Match] = {}
    for advisory, affected in pairs:
        is_affected = _is_affected(package, affected)
        if is_affected is not False and advisory.id not in told:
            told[advisory.id] = Match(
                advisory,
                package.package,
                _level(advisory, affected),
                _fixed(affected),
                is_affected is not None,
            )
    yield from told.values()


def _is_affected(package: Scanned, affected: Affected) -> bool | None:
    """Whether a version is affected; None if that can't be told, as a version is unreadable."""
    if any(_same(package.version, version) for version in affected.versions):
        return True
    try:
        return any(_is_within(package.version, one) for one in affected.ranges)
    except InvalidVersion:
        return False if affected.versions else None


def _same(version: Version, listed: str) -> bool:
    try:
        return bool(version == type(version)(listed))
    except InvalidVersion:
        return False


def _is_within(version: Version, affected: Range) -> bool:
    """Whether a version is in a range; commits of Git, which packages don't tell, never are.

    Raises:
        InvalidVersion: A version of the range is none.
    """
    if affected.type not in {"ECOSYSTEM", "SEMVER"}:
        return False
    kind = SemverVersion if affected.type == "SEMVER" else type(version)
    own = kind(version.string)
    limits = [event.limit for event in affected.events if event.limit is not None]
    if limits and not any(limit == "*" or own < kind(limit) for limit in limits):
        return False
    is_within = False
    for event in sorted(affected.events, key=lambda event: _order(event, kind)):
        if event.introduced == "0" or _reaches(own, event.introduced, kind):
            is_within = True
        elif _reaches(own, event.fixed, kind) or _passes(own, event.last_affected, kind):
            is_within = False
    return is_within


def _reaches(own: Version, at: str | None, kind: type[Version]) -> bool:
    return at is not None and bool(own >= kind(at))


def _passes(own: Version, at: str | None, kind: type[Version]) -> bool:
    return at is not None and bool(own > kind(at))


def _order(event: Event, kind: type[Version]) -> tuple[bool, Version, bool]:
    """Where an event stands on the line: ``0`` before all others; a fix before what follows it."""
    at = event.introduced or event.fixed or event.last_affected or event.limit or "0"
    is_first = event.introduced == "0"
    return not is_first, kind("0" if is_first or at == "*" else at), event.introduced is not None


def _fixed(affected: Affected) -> tuple[str, ...]:
    events = (event for one in affected.ranges if one.type != "GIT" for event in one.events)
    return tuple(dict.fromkeys(event.fixed for event in events if event.fixed))


def _level(advisory: Advisory, affected: Affected) -> Severity:
    """The worst of the vectors; without any, what the database says in a word."""
    scores = affected.severity or advisory.severity
    by_vector = severity.worst(severity.of_vector(one.score) for one in scores)
    if by_vector is not Severity.UNKNOWN:
        return by_vector
    said = [one.score for one in scores]
    for specific in (
        affected.ecosystem_specific,
        affected.database_specific,
        advisory.database_specific,
    ):
        said += [str((specific or {}).get(key, "")) for key in ("severity", "urgency")]
    return severity.worst(map(severity.of_word, said))
