"""release.json: what a release is, and the names that are made of it."""

from typing import Any

import pytest
from pydantic import ValidationError

from serving.release.bundle.facts import ReleaseFacts
from tests.unit.facts_cases import facts
from tests.unit.ledger_cases import hex_of


def test_what_is_read_is_what_was_written() -> None:
    assert ReleaseFacts.model_validate_json(facts().model_dump_json()) == facts()


def test_the_bundle_is_named_by_model_version_and_digest() -> None:
    assert (facts(7).label, facts(7).name) == ("iris v7", f"iris-v7-{hex_of('image 7')[:12]}")


def test_the_signature_says_model_and_version() -> None:
    assert facts(7).annotations == {"model": "iris", "version": "7"}


@pytest.mark.parametrize(
    "change",
    [
        {"version": "0"},
        {"version": "7; rm"},
        {"image_digest": hex_of("no algorithm")},
        {"image_id": f"sha256:{hex_of('x')}\n"},
        {"key_fingerprint": "short"},
        {"surprise": 1},
        {"data_version": ""},
        {"model_digest": ""},
        {"lock_digest": "main"},
    ],
)
def test_what_has_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        facts(**change)
