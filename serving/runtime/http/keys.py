"""Who may ask: keys that clients show, of which the service knows the SHA-256 digests only."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from serving.runtime.errors import MLAssetsError
from serving.runtime.http.exchange import HttpError

_DIGEST = re.compile(r"(?P<digest>[0-9a-fA-F]{64})(\s.*)?")
_SCHEME = "bearer "


class KeyFileError(MLAssetsError):
    """The file of key digests can't be used."""


@dataclass(frozen=True)
class ApiKeys:
    """The keys that open the service.

    Attributes:
        digests: SHA-256 of each key.
    """

    digests: tuple[bytes, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads one SHA-256 digest in hexadecimal digits from each line, as `sha256sum` prints it.

        What follows a digest on its line is a note. Empty lines and those that begin with # are
        left out.

        Raises:
            KeyFileError: The file can't be read, holds no digest, or something else; the message
                does not repeat what it holds.
        """
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a text in ASCII"
            raise KeyFileError(f"API_KEYS_FILE {path} can't be read ({reason})") from error
        digests = []
        for number, line in enumerate(map(str.strip, lines), start=1):
            if not line or line.startswith("#"):
                continue
            match = _DIGEST.fullmatch(line)
            if match is None:
                raise KeyFileError(
                    f"API_KEYS_FILE {path}, line {number}: expected the SHA-256 of a key as 64 "
                    'hexadecimal digits; make one with: printf %s "$KEY" | sha256sum'
                )
            digests.append(bytes.fromhex(match["digest"]))
        if not digests:
            raise KeyFileError(f"API_KEYS_FILE {path} holds no key, so nobody could ask")
        return cls(tuple(digests))

    def check(self, authorization: str) -> None:
        """Checks the header `Authorization: Bearer <key>`.

        Raises:
            HttpError: There is no key (401), or it is none of ours (403).
        """
        if not authorization[: len(_SCHEME)].lower() == _SCHEME:
            raise HttpError(
                401,
                "this service asks for a key; send the header Authorization: Bearer <your key>",
                headers={"www-authenticate": "Bearer"},
            )
        key = authorization[len(_SCHEME) :].strip(" ").encode("latin-1")
        shown = hashlib.sha256(key).digest()
        # Every digest is compared, each in constant time.
        if not sum([hmac.compare_digest(shown, known) for known in self.digests]):
            raise HttpError(403, "the key is not one of this service's; ask its operator for one")
