"""Signatures by cosign, with a key in a file or in a key management service.

Nothing is sent to a public log: whoever has the public key can verify, without any network. What is
signed as a file is verified by plain ``openssl`` too.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from serving.release.cosign import PASSWORD, UnsignedError, cosign
from serving.release.key_secrets import check_key, credentials_of, password_of
from serving.release.registries import Repository

KMS = re.compile("^(awskms|azurekms|gcpkms|hashivault|k8s)://")
DEVELOPMENT_KEY = "development.key"
"""Name of the file of a key that is made for trying things out; whoever verifies is told so."""
OFFLINE = ("--insecure-ignore-tlog=true", "--private-infrastructure=true")


@dataclass(frozen=True)
class PublicKey:
    """What signatures are verified with.

    Attributes:
        pem: The key as PEM.
    """

    pem: bytes

    @property
    def fingerprint(self) -> str:
        """sha256 of the key as DER, which ``openssl pkey -pubin -outform DER`` gives.

        Raises:
            UnsignedError: It is no key that could have signed anything.
        """
        der = self._loaded().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(der).hexdigest()

    def verify_file(self, path: Path, signature: bytes) -> None:
        """Checks the signature of a small file, as ``openssl dgst -sha256 -verify`` does.

        Args:
            path: The file.
            signature: As DER.

        Raises:
            UnsignedError: The key has not signed the file.
        """
        key, content = self._loaded(), path.read_bytes()
        try:
            if isinstance(key, RSAPublicKey):
                key.verify(signature, content, PKCS1v15(), SHA256())
            else:
                key.verify(signature, content, ECDSA(SHA256()))
        except InvalidSignature as error:
            raise UnsignedError(f"{path.name} was not signed with this key") from error

    def verify_image(
        self, repository: Repository, digest: str, *, annotations: Mapping[str, str]
    ) -> None:
        """Checks that an image in a registry was signed with this key.

        Args:
            repository: Where the image is.
            digest: The image.
            annotations: What the signature must say.

        Raises:
            UnsignedError: It has no such signature.
            CosignError: The registry is out of reach, or refuses.
        """
        with TemporaryDirectory() as scratch:
            key = Path(scratch, "key.pub")
            key.write_bytes(self.pem)
            options = (*OFFLINE, *repository.options, *_options(annotations))
            cosign("verify", f"--key={key}", *options, repository.pinned(digest))

    def attests(self, repository: Repository, digest: str, *, kind: str, predicate: bytes) -> bool:
        """Whether this key has signed a statement about an image in a registry.

        Args:
            repository: Where the image is.
            digest: The image.
            kind: The predicate's type: its URI, or cosign's name of it.
            predicate: What the statement says, JSON.

        Raises:
            CosignError: The registry is out of reach, or refuses.
        """
        with TemporaryDirectory() as scratch:
            key = Path(scratch, "key.pub")
            key.write_bytes(self.pem)
            options = (f"--type={kind}", *OFFLINE, *repository.options)
            try:
                found = cosign(
                    "verify-attestation", f"--key={key}", *options, repository.pinned(digest)
                )
            except UnsignedError:
                return False
        return json.loads(predicate) in map(_predicate, found.splitlines())

    def _loaded(self) -> EllipticCurvePublicKey | RSAPublicKey:
        try:
            key = load_pem_public_key(self.pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise UnsignedError("what should be a public key is none") from error
        if isinstance(key, EllipticCurvePublicKey | RSAPublicKey):
            return key
        raise UnsignedError("the public key is neither one of ECDSA nor one of RSA")


@dataclass(frozen=True)
class Signer:
    """A private key.

    Attributes:
        key: Its file, or its URL in a key management service.
        credentials: File of what that service asks for, which may be absent.
    """

    key: str
    credentials: Path | None = None

    @property
    def is_development(self) -> bool:
        """Whether it is a key for trying things out."""
        return Path(self.key).name == DEVELOPMENT_KEY

    def public_key(self) -> PublicKey:
        """The public half.

        Raises:
            CosignError: The key can't be read.
        """
        found = cosign("public-key", f"--key={self.key}", secrets=self._secrets())
        return PublicKey(found.encode())

    def sign_file(self, path: Path) -> bytes:
        """The signature of a file, as DER.

        Raises:
            CosignError: The key can't be used.
        """
        printed = cosign("sign-blob", *self._signing, str(path), secrets=self._secrets())
        return base64.b64decode(printed)

    def sign_image(
        self, repository: Repository, digest: str, *, annotations: Mapping[str, str]
    ) -> None:
        """Puts a signature beside an image in its registry.

        Args:
            repository: Where the image is.
            digest: The image.
            annotations: What the signature says besides the digest.

        Raises:
            CosignError: The key can't be used, or the registry refuses.
        """
        options = (*self._signing, *repository.options, *_options(annotations))
        cosign("sign", *options, repository.pinned(digest), secrets=self._secrets())

    def attest(self, repository: Repository, digest: str, *, kind: str, predicate: Path) -> None:
        """Puts a signed statement beside an image, in place of one of the same kind.

        Args:
            repository: Where the image is.
            digest: The image.
            kind: The predicate's type: its URI, or cosign's name of it, such as ``cyclonedx``.
            predicate: The file of the predicate, JSON.

        Raises:
            CosignError: The key can't be used, or the registry refuses.
        """
        what = (f"--type={kind}", f"--predicate={predicate}", "--replace=true")
        options = (*self._signing, *repository.options, *what)
        cosign("attest", *options, repository.pinned(digest), secrets=self._secrets())

    @property
    def _signing(self) -> tuple[str, ...]:
        return ("--yes", f"--key={self.key}", "--tlog-upload=false")

    def _secrets(self) -> dict[str, str]:
        """What cosign needs to use the key, as environment variables of its own."""
        if KMS.match(self.key):
            return credentials_of(self.credentials)
        check_key(Path(self.key))
        return {PASSWORD: password_of(Path(self.key))}


def _predicate(envelope: str) -> object:
    """What a verified statement says."""
    return json.loads(base64.b64decode(json.loads(envelope)["payload"]))["predicate"]


def _options(annotations: Mapping[str, str]) -> list[str]:
    return [f"--annotations={key}={value}" for key, value in sorted(annotations.items())]
