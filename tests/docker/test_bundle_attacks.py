"""Attacks on a real bundle: those that take cosign's keys, a large image, or the engine."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.golden import read_golden, write_golden
from serving.release.bundle.archive import unpack
from serving.release.bundle.signed_files import BundleError
from serving.release.cosign import UnsignedError
from tests.docker.bundle_cases import Delivered, forget, make_key
from tests.docker.engine import engine
from tests.docker.image_cases import BASE
from tests.unit.bundle_cases import Bundle, flip, reason_of

pytestmark = pytest.mark.docker


@pytest.fixture
def bundle(delivered: Delivered, tmp_path: Path) -> Bundle:
    """A copy, which each test changes; the image in it is shared."""
    return delivered.copy(tmp_path)


@pytest.fixture
def retagged(bundle: Bundle) -> Iterator[str]:
    """Another image, which has the name of the bundle's in the engine."""
    engine("image", "tag", BASE, bundle.facts.image)
    yield engine("image", "inspect", "--format={{.Id}}", BASE)
    forget(bundle)


def test_one_bit_of_the_image_is_seen(bundle: Bundle) -> None:
    image = bundle.directory / "image.tar"
    shared = image.rename(bundle.directory.parent / "shared.tar")
    shutil.copy(shared, image)
    flip(image)
    assert reason_of(bundle.verify()) == "changed since it was signed: image.tar: FAILED\n"
    with pytest.raises(BundleError, match=r"image\.tar of .* was changed"):
        bundle.check()


def test_another_key_of_cosigns_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    evil = make_key(tmp_path / "keys", "evil")
    bundle.signed(evil)
    assert "key.pub is not the key that you named" in reason_of(bundle.verify())
    with pytest.raises(BundleError, match="is the one that is trusted"):
        bundle.check()
    shown = bundle.verify_without_key()
    assert (shown.returncode, evil.public_key().fingerprint in shown.stdout) == (0, True)


def test_a_signature_of_another_key_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    sums = bundle.directory / "SHA256SUMS"
    evil = make_key(tmp_path / "keys", "evil").sign_file(sums)
    (bundle.directory / "SHA256SUMS.sig").write_bytes(evil)
    assert "SHA256SUMS was not signed with key.pub" in reason_of(bundle.verify())
    with pytest.raises(BundleError, match=r"SHA256SUMS of .* was not signed"):
        bundle.check()


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


def test_a_truncated_archive_is_refused(delivered: Delivered, tmp_path: Path) -> None:
    size, cut = delivered.archive.stat().st_size // 2, tmp_path / "cut.tar"
    with delivered.archive.open("rb") as whole, cut.open("wb") as file:
        file.write(whole.read(size))
    with pytest.raises(BundleError, match=r"cut\.tar can't be unpacked"):
        unpack(cut, tmp_path / "place")
