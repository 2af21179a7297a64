"""`python -m run_containers` is the service `run-keeper`; with `--check`, its health check."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from run_containers.heartbeat import STALE_SECONDS, is_fresh
from run_containers.labels import platform_name


def main(arguments: Sequence[str]) -> None:
    """Serves, or checks.

    Raises:
        SystemExit: With 1 and a sentence if the health check fails; with 2 for wrong arguments.
    """
    parser = argparse.ArgumentParser(prog="python -m run_containers", description=__doc__)
    parser.add_argument("--check", action="store_true", help="say whether the service works")
    if parser.parse_args(arguments).check:
        _check()
    else:
        _serve()


def _check() -> None:
    if not is_fresh():
        sys.exit(f"the run keeper finished no round in the last {STALE_SECONDS} s; see its log")


def _serve() -> NoReturn:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _leave())
    # Dagster takes a second to import, for which no health check and no SIGTERM should wait.
    from run_containers.service import serve  # noqa: PLC0415

    serve(platform_name())


def _leave() -> NoReturn:
    """Ends at once, whatever is going on: files are renamed into place, records are atomic."""
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
