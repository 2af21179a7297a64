"""The statement on where an image came from: in-toto, with a predicate of SLSA provenance."""

import json
from datetime import UTC, datetime
from typing import Any

from serving.release.bundle.provenance import predicate_of, provenance
from tests.unit.facts_cases import COMMIT, RELEASED, facts
from tests.unit.ledger_cases import hex_of

STARTED = datetime(2026, 2, 3, 4, tzinfo=UTC)


def _statement(**changes: Any) -> dict[str, Any]:
    found = provenance(facts(**changes), run="run-1", started=STARTED, builder={"docker": "29"})
    return dict(found)


def _dependencies(**changes: Any) -> dict[str, dict[str, Any]]:
    """What went into the image, by its name."""
    definition = _statement(**changes)["predicate"]["buildDefinition"]
    return {one["name"]: one for one in definition["resolvedDependencies"]}


def test_it_is_about_the_image_by_its_digest() -> None:
    statement = _statement()
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert statement["subject"] == [{"name": "iris", "digest": {"sha256": hex_of("image 2")}}]


def test_it_tells_every_part_with_its_digest() -> None:
    digests = {name: one.get("digest") for name, one in _dependencies().items()}
    assert digests == {
        "code": {"gitCommit": COMMIT},
        "base image": {"sha256": hex_of("base")},
        "lock file of the image": {"sha256": hex_of("lock")},
        "lock file of the training": {"sha256": hex_of("training lock")},
        "model": {"sha256": hex_of("model 2")},
        "dataset": {"sha256": hex_of("data 2")},
        "MLflow run": None,
    }


def test_it_tells_where_model_run_and_base_image_are() -> None:
    addresses = {name: one["uri"] for name, one in _dependencies().items() if "uri" in one}
    assert addresses == {
        "base image": "ml-assets-serve:1",
        "model": "models:/iris/2",
        "MLflow run": f"runs:/{32 * 'a'}",
    }


def test_code_that_was_changed_since_its_commit_is_told() -> None:
    code = _dependencies(git_commit=f"{COMMIT}-dirty")["code"]
    assert code["digest"] == {"gitCommit": COMMIT}
    assert code["annotations"] == {"changed_since": True}
    assert "annotations" not in _dependencies()["code"]


def test_what_nobody_noted_is_left_out() -> None:
    found = _dependencies(
        git_commit="", mlflow_run="", training_lock_digest="", data_version="unknown"
    )
    assert not {"code", "MLflow run"} & set(found)
    assert "digest" not in found["dataset"]
    assert "digest" not in found["lock file of the training"]


def test_it_tells_who_built_it_when_and_what() -> None:
    predicate = _statement()["predicate"]
    details, definition = predicate["runDetails"], predicate["buildDefinition"]
    assert details["builder"]["version"] == {"docker": "29"}
    assert details["metadata"] == {
        "invocationId": "run-1",
        "startedOn": "2026-02-03T04:00:00Z",
        "finishedOn": f"{RELEASED:%Y-%m-%dT%H:%M:%SZ}",
    }
    assert definition["externalParameters"] == {"model": "iris", "version": "2"}


def test_the_predicate_alone_is_what_cosign_attests() -> None:
    statement = _statement()
    assert json.loads(predicate_of(json.dumps(statement).encode())) == statement["predicate"]
