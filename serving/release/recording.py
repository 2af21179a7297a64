"""Writes down in the ledger what happened to a version, each event once."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from ml_assets.resources.promotions import PROMOTED
from ml_assets.resources.version_files import RegisteredVersion
from serving.release.bundle.facts import ReleaseFacts
from serving.release.delivery.customers import Customer
from serving.release.ledger.entries import (
    BundleFile,
    Delivery,
    Promotion,
    Release,
    Rollback,
    SigningKey,
)
from serving.release.ledger.ledger import Ledger
from serving.release.records import BundleRecord, ReleaseError
from serving.release.settings import ReleaseSettings


@dataclass(frozen=True)
class Recorder:
    """Someone who writes into the ledger.

    Attributes:
        ledger: The ledger.
        who: The user and host, or the run, that acts.
    """

    ledger: Ledger
    who: str

    @classmethod
    def of(cls, release: ReleaseSettings, *, who: str) -> "Recorder":
        """Whoever writes into the platform's ledger."""
        return cls(Ledger.of(release.home), who)

    def moves(self, version: RegisteredVersion) -> None:
        """Notes all promotions of a version and all returns to it, which MLflow tells.

        Raises:
            ReleaseError: A record of MLflow's can't be understood.
            LedgerError: The ledger was changed by another way.
        """
        moves = [_move(version, key) for key in version.tags if key.startswith(PROMOTED)]
        for move in sorted(moves, key=lambda one: one.when):
            self.ledger.append_once(move)

    def release(self, bundle: BundleRecord) -> None:
        """Notes that a version is released."""
        facts = bundle.facts
        self.ledger.append_once(
            Release(
                model=facts.model,
                version=int(facts.version),
                when=datetime.now(UTC),
                who=self.who,
                image_digest=facts.image_digest,
                image_id=facts.image_id,
                bundle=BundleFile(name=bundle.file, manifest=bundle.sums),
                data_version=facts.data_version,
                git_commit=facts.git_commit,
                mlflow_run=facts.mlflow_run,
                model_digest=facts.model_digest,
                lock_digest=facts.lock_digest,
                base_image=facts.base_image_id,
                key=SigningKey(
                    fingerprint=facts.key_fingerprint, development=facts.development_key
                ),
                golden_requests=facts.golden_requests,
            )
        )

    def delivery(self, facts: ReleaseFacts, customer: Customer, *, place: str) -> None:
        """Notes that a customer was given an image."""
        self.ledger.append_once(
            Delivery(
                model=facts.model,
                version=int(facts.version),
                when=datetime.now(UTC),
                who=self.who,
                customer=customer.name,
                image_digest=facts.image_digest,
                channel=customer.channel,
                destination=place,
            )
        )


def _move(version: RegisteredVersion, tag: str) -> Promotion | Rollback:
    """What a tag of a version records."""
    try:
        record = json.loads(version.tags[tag])
        return (_rollback if record.get("rollback") else _promotion)(version, record)
    except (ValueError, KeyError, AttributeError) as error:
        raise ReleaseError(
            f"the tag {tag} of {version.label} is no record of a promotion ({error!r}); delete the "
            "tag in MLflow"
        ) from error


def _promotion(version: RegisteredVersion, record: dict[str, object]) -> Promotion:
    return Promotion.model_validate(
        {
            "model": version.name,
            "version": version.version,
            "when": record["when"],
            "who": record.get("who") or "unknown",
            "from_version": record["from_version"],
            "data_version": version.tags.get("data_version") or "unknown",
            "git_commit": version.tags.get("git_commit", ""),
            "mlflow_run": version.run_id,
            "reason": record.get("reason", ""),
        }
    )


def _rollback(version: RegisteredVersion, record: dict[str, object]) -> Rollback:
    return Rollback.model_validate(
        {
            "model": version.name,
            "version": version.version,
            "when": record["when"],
            "who": record["who"],
            "from_version": record["from_version"],
            "image_digest": record["image_digest"],
            "reason": record["reason"],
        }
    )
