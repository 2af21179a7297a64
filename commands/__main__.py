"""`python -m commands run iris`: where every command begins and ends."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from commands.console import complain, say
from ml_assets.resources.interrupts import lasting_interrupts
from serving.runtime.errors import MLAssetsError

COMMANDS = (
    "deliver",
    "image",
    "launch",
    "ledger",
    "lineage",
    "models",
    "release",
    "rollback",
    "run",
    "serve",
    "ui",
)
FAILED, INTERRUPTED = 1, 130
MLFLOW_RETRIES = "2"
"""How often MLflow is asked again while somebody waits; by itself it goes on for minutes."""


def main(arguments: Sequence[str]) -> int:
    """Hands the arguments to the command that they begin with.

    Returns:
        The exit status: 0, 1 for an error that was told in a sentence, 130 for Ctrl-C.

    Raises:
        SystemExit: With 2 for wrong arguments, after a line on the right ones.
    """
    parser = argparse.ArgumentParser(prog="python -m commands", add_help=False)
    parser.add_argument("command", choices=COMMANDS)
    command = parser.parse_args(arguments[:1]).command
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", MLFLOW_RETRIES)
    try:
        with lasting_interrupts():
            import_module(f"commands.{command}").main(arguments[1:])  # imports take seconds
    except MLAssetsError as error:
        complain(error)
        return FAILED
    except KeyboardInterrupt:
        say("stopped; what was finished stays, and nothing is half-done. Start again any time.")
        return INTERRUPTED
    return 0


def _exit(status: int) -> NoReturn:
    """Ends the process; after Ctrl-C without waiting for threads that were cut off at their start.

    Python would wait for ever: nobody tells a pool's thread to end that the pool does not know yet.
    """
    if status == INTERRUPTED:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    _exit(main(sys.argv[1:]))
