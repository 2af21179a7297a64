"""What the use of a key asks for: a file's password, or the credentials of a key service."""

import os
import re
from pathlib import Path

from serving.release.cosign import PASSWORD_FILE, CosignError

CREDENTIALS_FILE = "kms.env"
_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def check_key(key: Path) -> None:
    """Checks that the file of a key can be read.

    Raises:
        CosignError: It can't.
    """
    try:
        key.open("rb").close()
    except FileNotFoundError as error:
        raise CosignError(
            f"there is no signing key {key}; `make keys` makes one for development, and "
            "SIGNING_KEY names another one"
        ) from error
    except OSError as error:
        raise _unreadable(key, error) from error


def password_of(key: Path) -> str:
    """A key's password, from the file beside it; none without that file.

    Raises:
        CosignError: It can't be read.
    """
    return _text(key.with_name(PASSWORD_FILE)).rstrip("\n")


def credentials_of(file: Path | None) -> dict[str, str]:
    """The variables of a file with lines such as ``AWS_REGION=eu-central-1``; none without it.

    Raises:
        CosignError: It can't be read, or has another line in it.
    """
    lines = _text(file).splitlines() if file else []
    told = {number: line.strip() for number, line in enumerate(lines, start=1)}
    found = {
        number: _LINE.fullmatch(line)
        for number, line in told.items()
        if line and not line.startswith("#")
    }
    for number, match in found.items():
        if match is None:  # the line may be secret
            raise CosignError(f"line {number} of {file} is not of the form NAME=value")
    return {match[1]: match[2] for match in found.values() if match}


def _text(file: Path) -> str:
    """What stands in a file; nothing if it is not there."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise _unreadable(file, error) from error
    except UnicodeDecodeError as error:
        raise CosignError(f"{file} is no text in UTF-8; write it anew") from error


def _unreadable(file: Path, error: OSError) -> CosignError:
    return CosignError(
        f"{file} can't be read by uid {os.getuid()} ({error.strerror}); let the group DOCKER_GID "
        "of .env, or uid 1000, read it"
    )
