"""The command line `cosign`: what signs, verifies and moves images between registries."""

from collections.abc import Mapping
from types import MappingProxyType

from serving.release.command_line import CommandLine, Reason
from serving.runtime.errors import MLAssetsError

PATIENCE_SECONDS = 300
PASSWORD = "COSIGN_PASSWORD"  # noqa: S105  the name of a variable
PASSWORD_FILE = "cosign.password"  # noqa: S105  the name of a file


class CosignError(MLAssetsError):
    """cosign can't do what it was asked; the message has its last lines."""


class UnsignedError(CosignError):
    """An image or a file has no signature that the key has made."""


class AbsentError(CosignError):
    """A registry does not have the image."""


_COSIGN = CommandLine(
    name="cosign",
    error=CosignError,
    install="install cosign, which the image of the release has",
    look_at="the registry",
    last_lines=3,
    reasons=(
        Reason(
            r"no signatures found|no matching signatures|no matching attestations|invalid signature"
            r"|none of the attestations matched"
            r"|failed to verify signature",
            "it has no such signature of this key",
            UnsignedError,
        ),
        Reason(
            r"decrypt|encrypted: ",
            f"the key's password is wrong; put the right one into {PASSWORD_FILE} beside the key",
        ),
        Reason(
            r"unauthorized|authentication required|denied",
            "the registry does not let you in; its credentials belong into REGISTRY_AUTH_DIR",
        ),
        Reason(
            r"manifest unknown|name unknown|manifest_unknown|name_unknown|404 not found",
            "the registry does not have it",
            AbsentError,
        ),
        Reason(
            r"dial tcp|i/o timeout|connection refused|http response to https|tls: |bad gateway"
            r"|no such host|connection reset",
            "the registry or the key service is out of reach; check its address, and that it runs",
        ),
    ),
)
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
    title = f"cosign {arguments[0]} {arguments[-1]}"
    environment = {PASSWORD: "", **secrets}
    ended = _COSIGN.run(*arguments, title=title, seconds=patience, environment=environment)
    return ended.stdout.strip()
