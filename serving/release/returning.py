"""Moves the aliases back to a version: once for each rollback, however often it is tried."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from ml_assets.resources.promotions import promotion_metrics
from ml_assets.resources.registry import ModelRegistry
from ml_assets.resources.version_files import RegisteredVersion
from serving.release.records import ReleaseError


@dataclass(frozen=True)
class Return:
    """Whoever takes production back.

    Attributes:
        registry: Where the versions are.
        who: The user who asks for it.
        reason: Why.
        run: The Dagster run.
    """

    registry: ModelRegistry
    who: str
    reason: str
    run: str

    def back_to(self, version: RegisteredVersion, *, image_digest: str) -> None:
        """Puts a version into production again; what was begun before is finished as it was begun.

        Args:
            version: The version.
            image_digest: The image that it was released as, for the record.

        Raises:
            ReleaseError: The version is in production, or this run has put it there and something
                else was promoted since.
        """
        version = self.registry.version(version.name, version.version)
        record = self._begun(version) or self._record(version, image_digest)
        before = json.loads(record)["from_version"]
        self.registry.promote(version, previous=before, record=record)

    def _begun(self, version: RegisteredVersion) -> str | None:
        """The record of a rollback to the version that an earlier attempt has left, if any."""
        told = version.tags.get("promotion", "{}")
        last = json.loads(told)
        is_live = self.registry.is_live(version)
        if is_live and not last.get("rollback"):
            raise ReleaseError(
                f"{version.label} is in production already; make deliver hands it over again"
            )
        is_own = last.get("run_id") == self.run
        if is_own and self._is_overtaken(version, since=last["when"]):
            raise ReleaseError(
                f"{version.label} was put into production, and something else was promoted since; "
                "nothing was moved again"
            )
        return told if is_live or is_own else None

    def _is_overtaken(self, version: RegisteredVersion, *, since: str) -> bool:
        moves = self.registry.promotions(version.name)
        return moves[-1].when > datetime.fromisoformat(since)

    def _record(self, version: RegisteredVersion, image_digest: str) -> str:
        live = self.registry.by_alias(version.name, "production")
        metrics = promotion_metrics(version.tags)
        return json.dumps(
            {
                "model": version.name,
                "from_version": live.version if live else None,
                "to_version": version.version,
                "who": self.who,
                "when": datetime.now(UTC).isoformat(),
                "metrics": {name: one for name, one in metrics.items() if one is not None},
                "reason": self.reason,
                "run_id": self.run,
                "rollback": True,
                "image_digest": image_digest,
            }
        )
