"""Advisories in the OSV format, and packages that they are about."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serving.release.contents.packages import Kind, Package

TORNADO = Package(Kind.PYTHON, "Tornado_Web", "6.4.1", "a")
OPENSSL = Package(
    Kind.DEBIAN,
    "libssl3",
    "3.0.15-1~deb12u1",
    "status",
    architecture="amd64",
    release="12",
    source="openssl",
    source_version="3.0.15-1~deb12u1",
)
CPYTHON = Package(Kind.INTERPRETER, "cpython", "3.11.14", "python")
CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
LOW = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"


def ranges(*events: Mapping[str, str], kind: str = "ECOSYSTEM") -> list[dict[str, Any]]:
    return [{"type": kind, "events": list(events)}]


def affected(ecosystem: str = "PyPI", name: str = "tornado-web", **fields: Any) -> dict[str, Any]:
    return {"package": {"ecosystem": ecosystem, "name": name}, **fields}


def advisory(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An entry; without parts, all versions of Tornado are affected."""
    everything = affected(ranges=ranges({"introduced": "0"}))
    return {
        "schema_version": "1.7.4",
        "id": "TEST-1",
        "modified": "2026-11-20T12:00:00Z",
        "summary": "Something is wrong",
        "affected": list(parts or (everything,)),
        **fields,
    }


def zipped(path: Path, *entries: dict[str, Any]) -> Path:
    """A database as osv.dev publishes it."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, entry in enumerate(entries):
            archive.writestr(f"{number}-{entry['id']}.json", json.dumps(entry))
    return path
