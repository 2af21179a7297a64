"""What a release is, for tests of what is made of it."""

from datetime import UTC, datetime
from typing import Any

from serving.release.bundle.facts import ReleaseFacts
from tests.unit.ledger_cases import digest_of, hex_of

RELEASED = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
COMMIT = 40 * "c"


def facts(version: int = 2, **changes: Any) -> ReleaseFacts:
    """The facts of a version, with some of them changed."""
    fields = {
        "model": "iris",
        "version": str(version),
        "image": f"iris:v{version}",
        "image_digest": digest_of(f"image {version}"),
        "image_id": digest_of(f"id {version}"),
        "platform": "linux/amd64",
        "data_version": hex_of(f"data {version}"),
        "git_commit": COMMIT,
        "mlflow_run": 32 * "a",
        "model_digest": hex_of(f"model {version}"),
        "lock_digest": hex_of("lock"),
        "training_lock_digest": hex_of("training lock"),
        "base_image": "ml-assets-serve:1",
        "base_image_id": digest_of("base"),
        "registered": datetime(2026, 1, 2, tzinfo=UTC),
        "released": RELEASED,
        "key_fingerprint": hex_of("key"),
        "development_key": True,
        "golden_requests": 500,
        "support_contact": "help@example.org",
        "ledger": f"0:{64 * '0'}",
    }
    return ReleaseFacts.model_validate(fields | changes)
