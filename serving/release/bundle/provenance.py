"""Where an image came from, as an in-toto statement with a predicate of SLSA provenance.

See https://slsa.dev/spec/v1.0/provenance. What is claimed is SLSA build level 1 and no more: the
provenance exists and says how the image was built. It is written and signed by the release run
itself, on a host that its operator controls, so that nothing keeps that operator from forging it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from google.protobuf.json_format import MessageToDict
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import (
    BuildDefinition,
    Builder,
    BuildMetadata,
    Provenance,
    RunDetails,
)
from in_toto_attestation.v1.resource_descriptor_pb2 import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement

from serving.release.bundle.facts import UNKNOWN, ReleaseFacts

PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:ml-assets:release:v1"
BUILDER = "urn:ml-assets:release-run"


def provenance(
    facts: ReleaseFacts, *, run: str, started: datetime, builder: Mapping[str, str]
) -> dict[str, object]:
    """The statement about an image.

    Args:
        facts: What the release is.
        run: The Dagster run that built it.
        started: When that began.
        builder: Versions of what built it, by name.
    """
    definition = BuildDefinition(
        build_type=BUILD_TYPE,
        external_parameters={"model": facts.model, "version": facts.version},
        internal_parameters={"platform": facts.platform},
        resolved_dependencies=[*_dependencies(facts)],
    )
    metadata = BuildMetadata(invocation_id=run, started_on=started, finished_on=facts.released)
    details = RunDetails(builder=Builder(id=BUILDER, version=dict(builder)), metadata=metadata)
    predicate = Provenance(build_definition=definition, run_details=details)
    statement = Statement(
        [_resource(facts.model, sha256=facts.image_digest)],
        PREDICATE_TYPE,
        MessageToDict(predicate),
    )
    statement.validate()
    found: dict[str, object] = MessageToDict(statement.pb)
    return found


def predicate_of(statement: bytes) -> bytes:
    """The predicate by itself, as cosign takes it."""
    return json.dumps(json.loads(statement)["predicate"]).encode()


def _dependencies(facts: ReleaseFacts) -> Iterator[ResourceDescriptor]:
    """What went into the image; what nobody noted is left out."""
    commit, _, state = facts.git_commit.partition("-")
    if re.fullmatch("[0-9a-f]{40}", commit):
        code = ResourceDescriptor(name="code", digest={"gitCommit": commit})
        if state:
            code.annotations.update({"changed_since": True})
        yield code
    yield _resource("base image", uri=facts.base_image, sha256=facts.base_image_id)
    yield _resource("lock file of the image", sha256=facts.lock_digest)
    yield _resource("lock file of the training", sha256=facts.training_lock_digest)
    yield _resource(
        "model", uri=f"models:/{facts.model}/{facts.version}", sha256=facts.model_digest
    )
    data = "" if facts.data_version == UNKNOWN else facts.data_version
    yield _resource("dataset", sha256=data)
    if facts.mlflow_run:
        yield ResourceDescriptor(name="MLflow run", uri=f"runs:/{facts.mlflow_run}")


def _resource(name: str, *, sha256: str, uri: str = "") -> ResourceDescriptor:
    digest = {"sha256": sha256.removeprefix("sha256:")} if sha256 else {}
    return ResourceDescriptor(name=name, uri=uri, digest=digest)
