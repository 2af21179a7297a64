"""Ports of this machine that a command listens on."""

import argparse
import socket

from ml_assets.core.errors import StateError

SERVICE_PORT, UI_PORT = 8000, 3070
"""Where the service and the Dagster UI listen unless `make` is told otherwise."""


def port(text: str) -> int:
    """A port as it is typed.

    Raises:
        ArgumentTypeError: It is not a number from 1 to 65535.
    """
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; take one from 1024 to 65535")
    return int(text)


def require_free(host: str, port: int, *, variable: str) -> None:
    """Checks that nothing listens on a port yet.

    Args:
        host: The address to listen on.
        port: The port.
        variable: How `make` calls the port.

    Raises:
        StateError: It can't be listened on; the message says why.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StateError(
                f"port {port} can't be used: {error.strerror}; try another one, for instance "
                f"{variable}={port + 1}"
            ) from error
