"""Entries of a ledger, and ledgers that tests change by hand."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from serving.release.ledger.chain import FIRST, Head, next_line
from serving.release.ledger.entries import (
    BundleFile,
    Delivery,
    Entry,
    Promotion,
    Release,
    Rollback,
    SigningKey,
)
from serving.release.ledger.ledger import Ledger

START = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
MODEL = "iris"


def hex_of(what: str) -> str:
    return hashlib.sha256(what.encode()).hexdigest()


def digest_of(what: str) -> str:
    return f"sha256:{hex_of(what)}"


def _common(version: int, minutes: float, given: dict[str, Any]) -> dict[str, Any]:
    when = START + timedelta(minutes=minutes)
    return {"model": MODEL, "version": version, "when": when, "who": "anna@host", **given}


def promotion(version: int, *, minutes: float = 0, **given: Any) -> Promotion:
    fields = {
        "from_version": version - 1 or None,
        "data_version": hex_of(f"data {version}"),
        "git_commit": f"{version:040x}",
        "mlflow_run": f"{version:032x}",
        "reason": "- accuracy 0.97 is above 0.9\n- no leak",
    }
    return Promotion(**_common(version, minutes, fields | given))


def release(version: int, *, minutes: float = 0, **given: Any) -> Release:
    fields = {
        "image_digest": digest_of(f"image {version}"),
        "image_id": digest_of(f"id {version}"),
        "bundle": BundleFile(name=f"iris-v{version}.tar", manifest=hex_of(f"manifest {version}")),
        "data_version": hex_of(f"data {version}"),
        "git_commit": f"{version:040x}",
        "mlflow_run": f"{version:032x}",
        "model_digest": hex_of(f"model {version}"),
        "lock_digest": hex_of("lock"),
        "base_image": digest_of("base"),
        "key": SigningKey(fingerprint=hex_of("key"), development=True),
        "golden_requests": 50,
    }
    return Release(**_common(version, minutes, fields | given))


def delivery(version: int, *, customer: str = "acme", minutes: float = 0, **given: Any) -> Delivery:
    fields = {
        "customer": customer,
        "image_digest": digest_of(f"image {version}"),
        "channel": "registry",
        "destination": f"registry.example.org/{customer}/iris:v{version}",
    }
    return Delivery(**_common(version, minutes, fields | given))


def rollback(version: int, *, from_version: int, minutes: float = 0, **given: Any) -> Rollback:
    fields = {
        "from_version": from_version,
        "image_digest": digest_of(f"image {version}"),
        "reason": "wrong on Mondays; Müller hat es gemeldet",
    }
    return Rollback(**_common(version, minutes, fields | given))


def history() -> list[Entry]:
    """Eight entries of all kinds."""
    return [
        promotion(1),
        release(1, minutes=1),
        delivery(1, minutes=2),
        promotion(2, minutes=10),
        release(2, minutes=11),
        delivery(2, minutes=12),
        delivery(2, customer="bolt", minutes=13),
        rollback(1, from_version=2, minutes=20),
    ]


def written(path: Path, entries: Sequence[Entry]) -> Ledger:
    """A ledger that holds these entries."""
    ledger = Ledger(path)
    for entry in entries:
        ledger.append(entry)
    return ledger


def raw_lines(entries: Sequence[Entry]) -> list[bytes]:
    """The lines of these entries, as they are written."""
    head, lines = Head(number=0, hash=FIRST), []
    for entry in entries:
        line, raw = next_line(entry, after=head)
        head = Head(number=line.number, hash=line.hash)
        lines.append(raw)
    return lines


LINES = raw_lines(history())
