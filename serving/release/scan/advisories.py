"""Reads a database of advisories in the OSV format from a file or a directory, offline."""

import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, JsonValue, ValidationError

from serving.release.contents.packages import canonical
from serving.release.documents import PartOfDocument
from serving.runtime.errors import MLAssetsError
from serving.runtime.manifest import first_line

PYPI = "PyPI"
Identity = tuple[str, str]
"""Ecosystem and name of a package, such as ``("Debian:12", "openssl")``."""


class AdvisoryError(MLAssetsError):
    """A database of advisories can't be read; the message says where and why."""


class Event(PartOfDocument):
    """A version at which something changes; one of the fields is set."""

    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None
    limit: str | None = None


class Range(PartOfDocument):
    """Versions that are affected, as events on a line."""

    type: str
    events: tuple[Event, ...] = ()


class Score(PartOfDocument):
    """A severity: its kind, such as ``CVSS_V3``, and a vector or a word."""

    type: str
    score: str


class AffectedPackage(PartOfDocument):
    """Which package is meant."""

    ecosystem: str
    name: str


class Affected(PartOfDocument):
    """A package that an advisory is about, and its versions."""

    package: AffectedPackage | None = None
    versions: tuple[str, ...] = ()
    ranges: tuple[Range, ...] = ()
    severity: tuple[Score, ...] = ()
    ecosystem_specific: dict[str, JsonValue] | None = None
    database_specific: dict[str, JsonValue] | None = None

    @property
    def identity(self) -> Identity | None:
        """The package; None if it is named in no ecosystem."""
        if self.package is None:
            return None
        return identity(self.package.ecosystem, self.package.name)


class Advisory(PartOfDocument):
    """An entry of the database, as far as it is used."""

    id: str
    modified: AwareDatetime
    withdrawn: AwareDatetime | None = None
    aliases: tuple[str, ...] = ()
    summary: str = ""
    severity: tuple[Score, ...] = ()
    affected: tuple[Affected, ...] = ()
    database_specific: dict[str, JsonValue] | None = None


@dataclass(frozen=True)
class Advisories:
    """A database of advisories.

    Attributes:
        newest: When the entry was changed that was changed last.
        count: Number of entries.
        ecosystems: In how many entries each ecosystem occurs.
        relevant: The entries about packages that were asked for.
    """

    newest: datetime
    count: int
    ecosystems: dict[str, int]
    relevant: tuple[Advisory, ...]


def identity(ecosystem: str, name: str) -> Identity:
    """A package under one spelling of its name."""
    return ecosystem, canonical(name) if ecosystem == PYPI else name


def read_advisories(path: Path, *, wanted: Collection[Identity]) -> Advisories:
    """Reads a database.

    Args:
        path: A zip of OSV entries as ``all.zip`` of osv.dev, a JSON file with a list of entries or
            with one, or a directory of any of these.
        wanted: The packages whose advisories are kept.

    Raises:
        AdvisoryError: It can't be read, holds no entries, or an entry is none of OSV.
    """
    ecosystems: Counter[str] = Counter()
    relevant: list[Advisory] = []
    newest: datetime | None = None
    count = 0
    for place, entry in _entries(path):
        advisory = _parsed(place, entry)
        found = {one.identity for one in advisory.affected if one.identity is not None}
        count += 1
        newest = max(newest or advisory.modified, advisory.modified)
        ecosystems.update({ecosystem for ecosystem, _ in found})
        if any(one in wanted for one in found):
            relevant.append(advisory)
    if newest is None:
        raise AdvisoryError(f"{path} holds no advisories; fetch the database again")
    return Advisories(newest, count, dict(sorted(ecosystems.items())), tuple(relevant))


def _parsed(place: str, entry: JsonValue) -> Advisory:
    try:
        return Advisory.model_validate(entry)
    except ValidationError as error:
        raise AdvisoryError(
            f"{place} is no advisory in the OSV format: {first_line(error)}; fetch the database "
            "again"
        ) from error


def _entries(path: Path) -> Iterator[tuple[str, JsonValue]]:
    """Each entry and where it stands."""
    for place, content in _files(path):
        try:
            found: JsonValue = json.loads(content)
        except ValueError as error:
            raise AdvisoryError(f"{place} is no JSON: {error}; fetch the database again") from error
        yield from ((place, entry) for entry in (found if isinstance(found, list) else [found]))


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """The JSON files of a database."""
    try:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.suffix in {".zip", ".json"}:
                    yield from _files(file)
        elif zipfile.is_zipfile(path):
            yield from _zipped(path)
        else:
            yield str(path), path.read_bytes()
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        raise AdvisoryError(f"{path} can't be read: {error}; fetch the database again") from error


def _zipped(path: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".json"):
                yield f"{name} in {path}", archive.read(name)
