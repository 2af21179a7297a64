"""Attacks on a real bundle: those that take cosign, the engine, or an image that answers."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.golden import read_golden, write_golden
from serving.release.cosign import UnsignedError
from tests.docker.bundle_cases import RealBundle, forget
from tests.docker.engine import engine
from tests.docker.image_cases import BASE
from tests.unit.bundle_cases import Bundle, reason_of

pytestmark = pytest.mark.docker


@pytest.fixture
def bundle(real_bundle: RealBundle, tmp_path: Path) -> Bundle:
    """A copy, which each test changes; the image in it is shared."""
    return real_bundle.copy(tmp_path)


@pytest.fixture
def retagged(bundle: Bundle) -> Iterator[str]:
    """Another image, which has the name of the bundle's in the engine."""
    engine("image", "tag", BASE, bundle.facts.image)
    yield engine("image", "inspect", "--format={{.Id}}", BASE)
    forget(bundle)


def test_cosign_openssl_and_we_agree_on_signatures(bundle: Bundle, tmp_path: Path) -> None:
    sums, key = bundle.directory / "SHA256SUMS", bundle.directory / "key.pub"
    signature = bundle.signer.sign_file(sums)
    bundle.signer.public_key().verify_file(sums, signature)
    raw = tmp_path / "raw"
    raw.write_bytes(signature)
    openssl = ["openssl", "dgst", "-sha256", "-verify", key, "-signature", raw, sums]
    subprocess.run(openssl, check=True, capture_output=True)
    encoded = tmp_path / "encoded"
    encoded.write_bytes(subprocess.run(["base64", raw], check=True, capture_output=True).stdout)
    cosign = [
        "cosign", "verify-blob", f"--key={key}", f"--signature={encoded}",
        "--insecure-ignore-tlog=true", "--private-infrastructure=true", sums,
    ]  # fmt: skip
    subprocess.run(cosign, check=True, capture_output=True)
    with pytest.raises(UnsignedError):
        bundle.signer.public_key().verify_file(key, signature)


@pytest.mark.parametrize("options", [(), ("--golden",)], ids=["before-loading", "golden"])
def test_another_image_under_the_name_is_refused_and_named(
    bundle: Bundle, retagged: str, options: tuple[str, ...]
) -> None:
    reason = reason_of(bundle.verify(*options))
    assert f"Docker has another image of the name {bundle.facts.image}: {retagged}" in reason


def test_other_answers_than_the_evaluated_models_are_shown(bundle: Bundle, tmp_path: Path) -> None:
    path = bundle.directory / "golden" / "requests.jsonl.gz"
    requests = read_golden(path.read_bytes())
    wrong = requests[7].model_dump()
    wrong["predictions"][0]["values"][1] += 5
    requests[7] = requests[7].model_validate(wrong)
    write_golden(requests, path)
    ended = bundle.signed().verify("--golden")
    assert reason_of(ended) == "the image does not answer as the model that was evaluated\n"
    assert "1 values differ; the worst:" in ended.stdout
    header, worst = ended.stdout.splitlines()[-2:]
    assert header.split()[:3] == ["request", "field", "entity"]
    assert worst.split()[:2] == ["7", "predictions.values"]
    assert engine("ps", "--all", "--quiet", "--filter=name=verify-") == ""
