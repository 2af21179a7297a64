"""Which advisories refuse a release, from a small YAML file."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError, field_validator

from serving.release.scan.severity import LEVELS, Severity
from serving.runtime.errors import MLAssetsError
from serving.runtime.manifest import first_line
from serving.runtime.spec import FrozenModel

Level = Literal["none", "low", "medium", "high", "critical"]


class PolicyError(MLAssetsError):
    """A policy can't be read; the message says where and why."""


class Accepted(FrozenModel):
    """An advisory that is accepted.

    Attributes:
        id: Its id, or one of its aliases.
        reason: Why it does no harm here.
        until: The last day on which it is accepted; None if for good.
    """

    id: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]
    until: date | None = None

    def counts_on(self, day: date) -> bool:
        """Whether it is accepted on a day."""
        return self.until is None or day <= self.until


class ScanPolicy(FrozenModel):
    """Which advisories refuse a release.

    Attributes:
        fail_at: The lowest level that refuses it.
        unknown_counts_as: The level of an advisory that tells none.
        largest_age_days: Days after which a database is too old to rely on.
        accepted: Advisories that don't refuse it.
    """

    fail_at: Level = "high"
    unknown_counts_as: Level = "high"
    largest_age_days: Annotated[int, Field(ge=0)] = 30
    accepted: tuple[Accepted, ...] = ()

    @field_validator("accepted")
    @classmethod
    def _once(cls, accepted: tuple[Accepted, ...]) -> tuple[Accepted, ...]:
        ids = [one.id for one in accepted]
        twice = sorted({one for one in ids if ids.count(one) > 1})
        if twice:
            raise ValueError(f"{twice[0]} is accepted more than once; keep one of the entries")
        return accepted

    def refuses(self, level: Severity) -> bool:
        """Whether an advisory of a level refuses a release, unless it is accepted."""
        told = Severity(self.unknown_counts_as) if level is Severity.UNKNOWN else level
        return LEVELS.index(told) >= LEVELS.index(Severity(self.fail_at))


def read_policy(path: Path) -> ScanPolicy:
    """Reads a policy.

    Raises:
        PolicyError: It can't be read, or has a mistake.
    """
    try:
        return ScanPolicy.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise PolicyError(f"the policy {path} can't be read: {error}") from error
    except ValidationError as error:
        raise PolicyError(f"the policy {path} has a mistake: {first_line(error)}") from error
