"""Every promotion of a model leaves a tag of its own on the version that went into production."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

PROMOTED = "promoted."
"""What the keys of these tags begin with; the time of the promotion follows."""
REFUSED = "release_refused"
"""The tag of a version that must not be released, with the reason."""
TIME = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True)
class AliasChange:
    """One promotion: the alias `production` went from a version to another one.

    Attributes:
        version: The version that was promoted.
        when: Time of the promotion, in UTC.
        from_version: The version that was in production before, or nothing.
        refused: Whether the release has refused the version since.
        rollback: Whether the version came back, which releases it by itself.
    """

    version: int
    when: datetime
    from_version: int | None
    refused: bool = False
    rollback: bool = False


def compact(when: datetime) -> str:
    """A time in UTC to the microsecond, as it stands in keys: ``20260102T030405.123456Z``."""
    return when.astimezone(UTC).strftime(TIME)


def promotion_tag(record: str) -> str:
    """The key of the tag for a promotion's record.

    Args:
        record: The promotion as JSON; its field ``when`` holds the time with its offset from UTC.
    """
    return PROMOTED + compact(datetime.fromisoformat(json.loads(record)["when"]))


def read_promotions(version: int, tags: Mapping[str, str]) -> list[AliasChange]:
    """The promotions of a version, out of its tags."""
    return [
        _change(version, key, json.loads(record), refused=REFUSED in tags)
        for key, record in tags.items()
        if key.startswith(PROMOTED)
    ]


def _change(version: int, key: str, record: Mapping[str, Any], *, refused: bool) -> AliasChange:
    return AliasChange(
        version=version,
        when=datetime.strptime(key, PROMOTED + TIME).replace(tzinfo=UTC),
        from_version=record["from_version"],
        refused=refused,
        rollback=record.get("rollback", False),
    )


def promotion_metrics(tags: Mapping[str, str]) -> dict[str, float | None]:
    """What was measured before the first promotion of a version; nothing if there was none.

    A figure that is not finite, a skill beside a perfect baseline for instance, is None.
    """
    keys = [key for key in tags if key.startswith(PROMOTED)]
    metrics = json.loads(tags[min(keys)]).get("metrics", {}) if keys else {}
    return {
        name: value if value is not None and math.isfinite(value) else None
        for name, value in metrics.items()
    }


def version_before(version: int, promotions: Sequence[AliasChange]) -> int | None:
    """The version to go back to from ``version``; those that were refused are passed over.

    Args:
        version: The version in production. If no promotion put it there, somebody did by hand, and
            it came after the newest promotion.
        promotions: Promotions of the model, oldest first.

    Returns:
        A version, or nothing if there was none before.
    """
    passed = {version} | {change.version for change in promotions if change.refused}
    by_hand = promotions and version not in {change.version for change in promotions}
    before: int | None = promotions[-1].version if by_hand else version
    for change in reversed(promotions):
        if before in passed and change.version == before:
            before = change.from_version
    return None if before in passed else before
