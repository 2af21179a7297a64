"""A directory of files with a signed list of their sha256, as ``sha256sum -c`` reads it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from serving.release.cosign import UnsignedError
from serving.release.signing import PublicKey, Signer
from serving.runtime.errors import MLAssetsError

SUMS, SIGNATURE, KEY = "SHA256SUMS", "SHA256SUMS.sig", "key.pub"


class BundleError(MLAssetsError):
    """A release bundle is damaged, forged or incomplete; the message names the culprit."""


def sign_directory(directory: Path, signer: Signer) -> None:
    """Writes the public key, the list of all files and its signature into a directory.

    Raises:
        CosignError: The key can't be used.
    """
    (directory / KEY).write_bytes(signer.public_key().pem)
    lines = [f"{file_sha256(directory / name)}  {name}\n" for name in _names(directory)]
    (directory / SUMS).write_text("".join(lines), encoding="ascii")
    (directory / SIGNATURE).write_bytes(signer.sign_file(directory / SUMS))


def check_directory(directory: Path, *, fingerprint: str) -> None:
    """Checks that a directory holds just the files that were signed with a key.

    Args:
        directory: What `sign_directory` has signed.
        fingerprint: That of the public key that is trusted.

    Raises:
        BundleError: The key is another one, the list was not signed with it, or a file is missing,
            changed or does not belong there; the message names it.
    """
    if missing := [name for name in (SUMS, SIGNATURE, KEY) if not _is_plain(directory / name)]:
        raise BundleError(f"{directory.name} has no {missing[0]}; fetch the bundle again")
    key = PublicKey((directory / KEY).read_bytes())
    try:
        found = key.fingerprint
    except UnsignedError as error:
        raise BundleError(f"{KEY} of {directory.name} is damaged: {error}") from error
    if found != fingerprint:
        raise BundleError(
            f"{KEY} of {directory.name} is the key {found}, and {fingerprint} is the one that is "
            "trusted"
        )
    try:
        key.verify_file(directory / SUMS, (directory / SIGNATURE).read_bytes())
    except UnsignedError as error:
        raise BundleError(f"{SUMS} of {directory.name} was not signed with its {KEY}") from error
    _check_files(directory, dict(_listed(directory)))


def file_sha256(path: Path) -> str:
    """Digest of a file of any size, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_files(directory: Path, listed: dict[str, str]) -> None:
    names = set(_names(directory))
    if added := sorted(names - listed.keys()):
        raise BundleError(f"{added[0]!r} does not belong to {directory.name}")
    if missing := sorted(listed.keys() - names):
        raise BundleError(f"{missing[0]} is missing in {directory.name}")
    for name, digest in listed.items():
        if not _is_plain(directory / name):
            raise BundleError(f"{name} of {directory.name} is a link or the like, and no file")
        if file_sha256(directory / name) != digest:
            raise BundleError(f"{name} of {directory.name} was changed since it was signed")


def _listed(directory: Path) -> Iterator[tuple[str, str]]:
    for line in (directory / SUMS).read_text(encoding="ascii").splitlines():
        digest, _, name = line.partition("  ")
        yield name, digest


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _names(directory: Path) -> list[str]:
    """All files but the list and its signature, sorted."""
    paths = (path for path in directory.rglob("*") if not path.is_dir() or path.is_symlink())
    names = {path.relative_to(directory).as_posix() for path in paths}
    return sorted(names - {SUMS, SIGNATURE})
