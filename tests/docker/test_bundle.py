"""A bundle as its customer gets it: unpacked, verified, loaded, run, asked and read."""

import json
import os
import re
import signal
import subprocess
import time
from http.client import HTTPConnection

import pytest
import schemathesis
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf.json_format import Parse
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as Message

from serving.release.bundle.change_notes import Earlier
from serving.release.bundle.signed_files import file_sha256
from serving.release.bundling import SERVICE_PAGE
from serving.release.engine import find_image, inspect_image
from serving.release.image import ServiceImage
from serving.release.probe import HOST
from tests.conftest import ROOT
from tests.docker.bundle_cases import RealBundle, composed
from tests.docker.engine import engine
from tests.docker.image_cases import BASE
from tests.unit.bundle_cases import LIMITS, PURPOSE, Bundle, run_script

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def unpacked(real_bundle: RealBundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundle in an empty directory, in whose path there are spaces."""
    return real_bundle.unpack(tmp_path_factory.mktemp("an empty directory"))


def content(bundle: Bundle, name: str) -> str:
    return (bundle.directory / name).read_text()


def read(bundle: Bundle, name: str) -> dict[str, object]:
    return dict(json.loads(content(bundle, name)))


def test_the_script_accepts_it(unpacked: Bundle) -> None:
    subprocess.run(["./verify.sh"], cwd=unpacked.directory, check=True)
    ended = run_script("./verify.sh", "--key", unpacked.fingerprint, cwd=unpacked.directory)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "which is a DEVELOPMENT key" in ended.stdout
    assert ended.stdout.endswith("OK\n")


def test_what_the_page_tells_to_do_by_hand_is_enough(unpacked: Bundle) -> None:
    page = content(unpacked, "README.md")
    _, _, rest = page.partition("hand what counts:\n\n```sh\n")
    by_hand, _, _ = rest.partition("```")
    said = subprocess.run(
        ["sh", "-ec", by_hand], cwd=unpacked.directory, check=True, capture_output=True, text=True
    )
    right = [f"{unpacked.fingerprint}  -", "Verified OK", "SHA256SUMS", "SHA256SUMS.sig"]
    assert said.stdout.splitlines() == right


def test_the_golden_requests_are_answered_without_a_network(unpacked: Bundle) -> None:
    before = engine("ps", "--all", "--quiet", "--filter=name=verify-")
    ended = unpacked.verify("--golden")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "500 golden requests asked, " in ended.stdout
    assert ended.stdout.endswith("OK\n")
    assert engine("ps", "--all", "--quiet", "--filter=name=verify-") == before


def test_it_is_loaded_and_started_and_answers_the_example(
    unpacked: Bundle, oven_image: ServiceImage
) -> None:
    engine("load", f"--input={unpacked.directory / 'image.tar'}")
    loaded = find_image(unpacked.facts.image)
    assert loaded is not None
    assert loaded.id in {oven_image.id, unpacked.facts.image_digest}
    with composed(unpacked) as port:
        connection = HTTPConnection(HOST, port)
        kind = {"Content-Type": "application/json"}
        connection.request("POST", "/predict", content(unpacked, "example.json"), kind)
        reply = connection.getresponse()
        answer = json.loads(reply.read())
        connection.close()
    assert reply.status == 200
    assert answer["model"] == {"name": "oven", "version": "3"}
    assert answer["predictions"]


def test_a_check_that_is_broken_off_leaves_no_container(unpacked: Bundle) -> None:
    script = subprocess.Popen(
        [unpacked.directory / "verify.sh", "--golden", "--key", unpacked.fingerprint],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    name = f"--filter=name=verify-{script.pid}-"
    while not engine("ps", "--quiet", name):
        assert script.poll() is None
        time.sleep(0.02)
    os.killpg(script.pid, signal.SIGINT)
    assert script.wait(timeout=60) == 1
    assert engine("ps", "--all", "--quiet", name) == ""


def test_the_compose_file_and_the_manifest_are_hardened(unpacked: Bundle) -> None:
    compose = yaml.safe_load(content(unpacked, "docker-compose.yml"))["services"]["oven"]
    assert compose["image"] == unpacked.facts.image
    assert (compose["pull_policy"], compose["read_only"]) == ("never", True)
    assert (compose["cap_drop"], compose["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    kinds = {one["kind"]: one for one in yaml.safe_load_all(content(unpacked, "kubernetes.yaml"))}
    assert kinds.keys() == {"Deployment", "Service", "NetworkPolicy"}
    assert kinds["NetworkPolicy"]["spec"]["egress"] == []
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == f"REGISTRY/oven@{unpacked.facts.image_digest}"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_compose_file_takes_every_setting_of_the_service(unpacked: Bundle) -> None:
    compose = yaml.safe_load(content(unpacked, "docker-compose.yml"))["services"]["oven"]
    told = re.findall(r"^\| `([A-Z_]+)` \|", SERVICE_PAGE.read_text(), re.MULTILINE)
    assert {*compose["environment"], "PORT"} == {*told}
    assert {*compose["environment"].values()} == {None}


def test_the_model_card_says_what_it_is_for_and_how_good(unpacked: Bundle) -> None:
    card, page = read(unpacked, "model-card.json"), content(unpacked, "model-card.md")
    assert (card["purpose"], card["limits_of_use"]) == (PURPOSE, LIMITS)
    assert card["image_digest"] == unpacked.facts.image_digest
    assert page.startswith(f"# oven, version 3\n\n{PURPOSE}\n")
    assert f"## Limits\n\n{LIMITS}\n" in page
    assert "|  | model | persistence |" in page
    assert "| mae | 0.5 | 0.625 |" in page
    assert unpacked.facts.image_digest in page


def test_the_sbom_is_of_the_image_and_its_model(unpacked: Bundle) -> None:
    text, sbom = content(unpacked, "sbom.cdx.json"), json.loads(content(unpacked, "sbom.cdx.json"))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    image = sbom["metadata"]["component"]
    assert f"sha256:{image['hashes'][0]['content']}" == unpacked.facts.image_digest
    (model,) = (one for one in sbom["components"] if one["type"] == "machine-learning-model")
    files = {one["name"]: one["hashes"][0]["content"] for one in model["components"]}
    assert files["model.json"] == unpacked.facts.model_digest
    inside = engine(
        "run", "--rm", "--network=none", "--entrypoint=sha256sum", unpacked.facts.image_id,
        *(f"/bento/src/model/{name}" for name in files),
    )  # fmt: skip
    assert [line.split()[0] for line in inside.splitlines()] == [*files.values()]
    assert {"numpy", "xgboost-cpu", "libc6", "cpython"} <= {
        one["name"].lower() for one in sbom["components"]
    }
    assert "numpy" in content(unpacked, "LICENSES")


def test_the_provenance_names_all_that_went_in(unpacked: Bundle) -> None:
    facts = unpacked.facts
    assert facts.lock_digest == file_sha256(ROOT / "requirements" / "serve.txt")
    assert (facts.base_image, facts.base_image_id) == (BASE, inspect_image(BASE).id)
    statement = Parse(content(unpacked, "provenance.json"), Message())
    Statement.copy_from_pb(statement).validate()
    assert statement.subject[0].digest["sha256"] == facts.image_digest.removeprefix("sha256:")
    assert statement.predicate_type == "https://slsa.dev/provenance/v1"
    predicate = read(unpacked, "provenance.json")["predicate"]
    assert isinstance(predicate, dict)
    made_of = {one["name"]: one for one in predicate["buildDefinition"]["resolvedDependencies"]}
    digests = {name: [*one.get("digest", {}).values()] for name, one in made_of.items()}
    assert digests == {
        "code": [facts.git_commit],
        "base image": [facts.base_image_id.removeprefix("sha256:")],
        "lock file of the image": [facts.lock_digest],
        "lock file of the training": [facts.training_lock_digest],
        "model": [facts.model_digest],
        "dataset": [facts.data_version],
        "MLflow run": [],
    }
    assert made_of["MLflow run"]["uri"] == f"runs:/{facts.mlflow_run}"
    assert predicate["runDetails"]["metadata"]["invocationId"] == "dagster-run"


def test_the_addresses_of_the_service_are_described(unpacked: Bundle) -> None:
    described = schemathesis.openapi.from_dict(read(unpacked, "openapi.json"))
    operations = [found.ok() for found in described.get_all_operations()]
    assert ("post", "/predict") in {(one.method, one.path) for one in operations}


def test_the_next_release_finds_what_it_compares_itself_with(unpacked: Bundle) -> None:
    earlier = unpacked.earlier
    assert isinstance(earlier, Earlier)
    assert earlier.facts == unpacked.facts
    assert earlier.packages["pypi/numpy"]
