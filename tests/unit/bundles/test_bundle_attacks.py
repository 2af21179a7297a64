"""What somebody does to a bundle between supplier and customer is refused, with its name.

Customers see it with verify.sh; releases, deliveries and rollbacks before they use a bundle.
"""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from serving.release.bundle.signed_files import BundleError
from tests.unit.bundle_cases import Bundle, KeyPair, flip, reason_of

FILES = [
    "CHANGES.md",
    "LICENSES",
    "README.md",
    "SHA256SUMS",
    "SHA256SUMS.sig",
    "docker-compose.yml",
    "example.json",
    "golden/check.py",
    "golden/requests.jsonl.gz",
    "image.tar",
    "key.pub",
    "kubernetes.yaml",
    "model-card.json",
    "model-card.md",
    "openapi.json",
    "provenance.json",
    "release.json",
    "sbom.cdx.json",
    "scan.json",
    "scan.md",
    "service.md",
    "verify.sh",
]
LIST = ["SHA256SUMS", "SHA256SUMS.sig"]
"""What is not in the signed list, as it is the list."""


def assert_refused(bundle: Bundle, culprit: str) -> None:
    assert culprit in reason_of(bundle.verify())
    with pytest.raises(BundleError, match=re.escape(culprit)):
        bundle.check()


def test_a_bundle_that_nobody_has_touched_is_accepted(bundle: Bundle) -> None:
    ended = bundle.verify()
    assert (ended.returncode, ended.stdout.splitlines()[-1], ended.stderr) == (0, "OK", "")
    bundle.check()


def test_the_attacked_files_are_all_that_there_are(made: Bundle) -> None:
    found = (one for one in made.directory.rglob("*") if one.is_file())
    assert sorted(one.relative_to(made.directory).as_posix() for one in found) == FILES


@pytest.mark.parametrize("name", FILES)
def test_one_bit_of_a_file_is_seen(bundle: Bundle, name: str) -> None:
    flip(bundle.directory / name)
    assert_refused(bundle, name.removesuffix(".sig"))


def test_only_the_file_that_was_changed_is_named(bundle: Bundle) -> None:
    flip(bundle.directory / "image.tar")
    assert reason_of(bundle.verify()) == "changed since it was signed: image.tar: FAILED\n"


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_gone_is_missed(bundle: Bundle, name: str) -> None:
    (bundle.directory / name).unlink()
    assert_refused(bundle, name)
    assert "missing" in reason_of(bundle.verify())


@pytest.mark.parametrize("name", FILES)
def test_a_link_is_no_file_whatever_it_leads_to(bundle: Bundle, tmp_path: Path, name: str) -> None:
    path = bundle.directory / name
    path.symlink_to(path.rename(tmp_path / "elsewhere"))
    assert_refused(bundle, name)


@pytest.mark.parametrize("name", ["release.json", *LIST])
def test_a_directory_or_a_pipe_is_no_file(bundle: Bundle, name: str) -> None:
    path = bundle.directory / name
    path.unlink()
    path.mkdir()
    assert_refused(bundle, name)
    path.rmdir()
    os.mkfifo(path)
    assert_refused(bundle, name)


@pytest.mark.parametrize(
    "name",
    [
        "run.sh",
        ".env",
        "docker-compose.override.yml",
        "golden/more",
        *(f"golden/{n}" for n in LIST),
    ],
)
def test_a_file_that_was_added_is_seen(bundle: Bundle, name: str) -> None:
    (bundle.directory / name).write_text("x")
    assert_refused(bundle, name)


@pytest.mark.parametrize(
    "name",
    [
        "release.json\nxxrelease.json",
        "release.json\n./image.tar",
        "image tar",
        "release.json ",
        "\\c",
    ],
)
def test_no_name_hides_a_file_that_was_added(bundle: Bundle, name: str) -> None:
    path = bundle.directory / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("x")
    assert "no file of a release has such a name" in reason_of(bundle.verify())
    with pytest.raises(BundleError, match="does not belong"):
        bundle.check()


def test_a_name_does_not_speak_to_the_terminal(bundle: Bundle) -> None:
    (bundle.directory / "x\x1b[1A\x1b[2KOK\r").write_text("x")
    said = bundle.verify()
    assert "x?[1A?[2KOK?" in reason_of(said)
    assert "\x1b" not in said.stderr


def test_a_directory_that_can_not_be_read_is_refused(bundle: Bundle) -> None:
    is_root = os.getuid() == 0
    if is_root and not shutil.which("setpriv"):
        pytest.skip("root can read every directory, and setpriv is not here")
    (bundle.directory / "golden").chmod(0o311)
    powerless = "setpriv --bounding-set=-all --inh-caps=-all sh"
    assert "can't read" in reason_of(bundle.verify(by=powerless if is_root else "sh"))


def test_another_key_is_seen_by_who_knows_the_right_one(bundle: Bundle) -> None:
    evil = KeyPair()
    bundle.signed(evil)
    reason = reason_of(bundle.verify())
    assert reason.startswith("key.pub is not the key that you named")
    assert evil.public_key().fingerprint in reason
    with pytest.raises(BundleError, match="key.pub .* is the key"):
        bundle.check()


def test_without_the_right_key_the_one_that_was_used_is_shown_for_comparison(
    bundle: Bundle,
) -> None:
    evil = KeyPair()
    bundle.signed(evil)
    said = bundle.verify_without_key()
    assert said.returncode == 0
    assert f"  {evil.public_key().fingerprint}\n" in said.stdout
    assert said.stdout.splitlines()[-1].startswith("OK, if that is the key of your supplier: ")


def test_a_signature_of_another_key_is_refused(bundle: Bundle) -> None:
    sums = bundle.directory / "SHA256SUMS"
    (bundle.directory / "SHA256SUMS.sig").write_bytes(KeyPair().sign_file(sums))
    assert "SHA256SUMS was not signed with key.pub" in reason_of(bundle.verify())
    with pytest.raises(BundleError, match=r"SHA256SUMS of .* was not signed"):
        bundle.check()


@pytest.mark.parametrize("key", [b"", b"x", b"-----BEGIN PUBLIC KEY-----\nAAAA\n"])
def test_what_is_no_key_is_refused(bundle: Bundle, key: bytes) -> None:
    (bundle.directory / "key.pub").write_bytes(key)
    assert_refused(bundle, "key.pub")
    assert "key.pub" in reason_of(bundle.verify_without_key())


def test_the_signed_list_of_another_version_is_refused(bundle: Bundle, other: Bundle) -> None:
    for name in LIST:
        shutil.copy(other.directory / name, bundle.directory)
    reason = reason_of(bundle.verify())
    assert "changed since it was signed" in reason
    assert "release.json" in reason
    with pytest.raises(BundleError, match="was changed since it was signed"):
        bundle.check()


def test_another_version_as_a_whole_is_not_the_one_that_was_released(
    bundle: Bundle, other: Bundle
) -> None:
    swapped = Bundle(other.directory, bundle.facts, bundle.signer)
    with pytest.raises(BundleError, match="release.json .* another release"):
        swapped.check()


@pytest.mark.parametrize("line", ["no digest  release.json", f"{'0' * 64}  a\\b", "\\"])
def test_a_list_of_something_else_is_refused_though_it_is_signed(bundle: Bundle, line: str) -> None:
    sums = bundle.directory / "SHA256SUMS"
    sums.write_text(sums.read_text() + f"{line}\n")
    (bundle.directory / "SHA256SUMS.sig").write_bytes(bundle.signer.sign_file(sums))
    assert "SHA256SUMS lists more than files" in reason_of(bundle.verify())


def test_another_document_that_the_key_has_signed_is_no_list(bundle: Bundle) -> None:
    sums = bundle.directory / "SHA256SUMS"
    sums.write_text(json.dumps({"critical": {"image": {"docker-manifest-digest": "sha256:ab"}}}))
    (bundle.directory / "SHA256SUMS.sig").write_bytes(bundle.signer.sign_file(sums))
    assert "SHA256SUMS lists more than files" in reason_of(bundle.verify())
    with pytest.raises(BundleError, match="does not belong"):
        bundle.check()


@pytest.mark.parametrize("name", ["sbom.cdx.json", "provenance.json"])
def test_papers_of_another_image_are_refused_though_they_are_signed(
    bundle: Bundle, other: Bundle, name: str
) -> None:
    shutil.copy(other.directory / name, bundle.directory)
    assert_refused(bundle.signed(), name)
    assert bundle.facts.image_digest in reason_of(bundle.verify())


@pytest.mark.parametrize("name", ["sbom.cdx.json", "provenance.json", "release.json"])
def test_papers_that_say_nothing_are_refused(bundle: Bundle, name: str) -> None:
    (bundle.directory / name).write_text("{}")
    bundle.signed()
    with pytest.raises(BundleError, match=name):
        bundle.check()
    reason_of(bundle.verify())
