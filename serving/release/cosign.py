"""The command line `cosign`: what signs, verifies and moves images between registries."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from serving.runtime.errors import MLAssetsError

PATIENCE_SECONDS = 300
LAST_LINES = 3
PASSWORD = "COSIGN_PASSWORD"  # noqa: S105  the name of a variable
PASSWORD_FILE = "cosign.password"  # noqa: S105  the name of a file


class CosignError(MLAssetsError):
    """cosign can't do what it was asked; the message has its last lines."""


class UnsignedError(CosignError):
    """An image or a file has no signature that the key has made."""


class AbsentError(CosignError):
    """A registry does not have the image."""


class _Reason(NamedTuple):
    """What words of cosign mean to people."""

    said: str
    meaning: str
    kind: type[CosignError] = CosignError


_REASONS = (
    _Reason(
        r"no signatures found|no matching signatures|no matching attestations|invalid signature"
        r"|none of the attestations matched"
        r"|failed to verify signature",
        "it has no such signature of this key",
        UnsignedError,
    ),
    _Reason(
        r"decrypt|encrypted: ",
        f"the key's password is wrong; put the right one into {PASSWORD_FILE} beside the key",
    ),
    _Reason(
        r"unauthorized|authentication required|denied",
        "the registry does not let you in; its credentials belong into REGISTRY_AUTH_DIR",
    ),
    _Reason(
        r"manifest unknown|name unknown|manifest_unknown|name_unknown|404 not found",
        "the registry does not have it",
        AbsentError,
    ),
    _Reason(
        r"dial tcp|i/o timeout|connection refused|http response to https|tls: |bad gateway"
        r"|no such host|connection reset",
        "the registry or the key service is out of reach; check its address, and that it runs",
    ),
)
_UNKNOWN = _Reason("", "it has failed")
NONE: Mapping[str, str] = MappingProxyType({})


def cosign(
    *arguments: str, secrets: Mapping[str, str] = NONE, patience: float = PATIENCE_SECONDS
) -> str:
    """Runs the command line `cosign`, without a shell.

    Args:
        arguments: What stands after `cosign`; nothing secret, as other processes can read it.
        secrets: A key's password or a service's credentials, which go by the command's own
            environment.
        patience: How many seconds it may take.

    Returns:
        What it prints, without white space around it.

    Raises:
        CosignError: It fails, is not installed, or has not ended in time.
    """
    try:
        ended = subprocess.run(  # noqa: S603  no shell, and arguments of ours
            ["cosign", *arguments],  # noqa: S607  the one on the user's PATH
            env={**os.environ, PASSWORD: "", **secrets},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=patience,
            check=False,
        )
    except OSError as error:
        raise CosignError(
            f"the command cosign can't be run ({error.strerror}); install cosign, which the image "
            "of the release has"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CosignError(
            f"cosign {arguments[0]} has not ended after {patience:.0f} s; look at the registry"
        ) from error
    if ended.returncode != 0:
        raise _error(arguments, ended.stderr)
    return ended.stdout.strip()


def _error(arguments: Sequence[str], output: str) -> CosignError:
    found = (one for one in _REASONS if re.search(one.said, output, re.IGNORECASE))
    reason = next(found, _UNKNOWN)
    last = "\n".join(output.strip().splitlines()[-LAST_LINES:])
    return reason.kind(
        f"cosign {arguments[0]} {arguments[-1]}: {reason.meaning}. Its last lines:\n{last}"
    )
