"""A key or password that can't be read is told with what to do; cosign is not asked then."""

import errno
import os
from pathlib import Path

import pytest

from serving.release.cosign import PASSWORD_FILE, CosignError
from serving.release.key_secrets import CREDENTIALS_FILE
from serving.release.signing import Signer

MEND = "let the group DOCKER_GID of .env, or uid 1000, read it"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "release.key"
    path.write_text("a key")
    return path


def refusal(key: Path) -> str:
    with pytest.raises(CosignError) as caught:
        Signer(str(key)).public_key()
    return str(caught.value)


def test_a_key_that_is_not_there_is_to_be_made_or_named(tmp_path: Path) -> None:
    told = refusal(tmp_path / "release.key")
    assert told.startswith(f"there is no signing key {tmp_path}/release.key; `make keys` makes one")
    assert MEND not in told


def test_a_key_that_can_not_be_read_is_to_be_made_readable(
    key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "open", denied)
    told = refusal(key)
    assert told.endswith(f"release.key can't be read by uid {os.getuid()} (no entry); {MEND}")


def test_a_password_that_can_not_be_read_is_to_be_made_readable(key: Path) -> None:
    key.with_name(PASSWORD_FILE).mkdir()
    told = refusal(key)
    assert f"{PASSWORD_FILE} can't be read" in told
    assert told.endswith(MEND)


def test_a_password_that_is_no_text_is_told(key: Path) -> None:
    key.with_name(PASSWORD_FILE).write_bytes(b"\xff\xfe")
    assert "is no text in UTF-8" in refusal(key)


class TestKeyService:
    """A key in a service: what that asks for lies in a file, and only cosign gets it."""

    @pytest.fixture
    def signer(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Signer:
        """A key of a service, and a cosign that prints its environment in place of a key."""
        cosign = tmp_path / "bin" / "cosign"
        cosign.parent.mkdir()
        cosign.write_text("#!/bin/sh\nenv\n")
        cosign.chmod(0o755)
        monkeypatch.setenv("PATH", f"{cosign.parent}:/usr/bin:/bin")
        return Signer("awskms:///alias/release", tmp_path / CREDENTIALS_FILE)

    def test_cosign_gets_what_the_file_says(self, signer: Signer, tmp_path: Path) -> None:
        (tmp_path / CREDENTIALS_FILE).write_text("# ours\n\nAWS_REGION=eu\nAWS_SECRET=a=b c\n")
        told = signer.public_key().pem.decode().splitlines()
        assert {"AWS_REGION=eu", "AWS_SECRET=a=b c"} <= {*told}
        assert "AWS_SECRET" not in os.environ

    def test_there_need_be_no_file(self, signer: Signer) -> None:
        assert b"PATH=" in signer.public_key().pem

    def test_another_line_is_named_and_not_told(self, signer: Signer, tmp_path: Path) -> None:
        (tmp_path / CREDENTIALS_FILE).write_text("AWS_REGION=eu\nsecret: hush\n")
        with pytest.raises(CosignError, match=r"line 2 of .*kms.env is not of the form") as caught:
            signer.public_key()
        assert "hush" not in str(caught.value)


def denied(*_: object, **__: object) -> None:
    raise PermissionError(errno.EACCES, "no entry")
