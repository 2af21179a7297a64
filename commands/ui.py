"""Opens the Dagster UI on the same state: `make ui`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from commands.console import say
from commands.ports import UI_PORT, port, require_free

HOST = "127.0.0.1"
WORKSPACE = Path(__file__).parent / "embedded" / "workspace.yaml"
QUIET = {"PYTHONWARNINGS": "ignore:Function `dev_command`"}
"""No hint at `dg dev`, which takes no workspace file."""


def main(arguments: Sequence[str]) -> NoReturn:
    """Becomes `dagster dev`."""
    parser = argparse.ArgumentParser(prog="make ui", description=__doc__)
    parser.add_argument("--port", type=port, default=UI_PORT, help="port to listen on")
    options = parser.parse_args(arguments)
    require_free(HOST, options.port, variable="UI_PORT")
    say(f"the Dagster UI opens at http://{HOST}:{options.port} in a few seconds; Ctrl-C ends it")
    dev = ["dagster", "dev", "--workspace", str(WORKSPACE), "--log-level", "error"]
    address = ["--host", HOST, "--port", str(options.port)]
    os.execve(sys.executable, [sys.executable, "-m", *dev, *address], os.environ | QUIET)  # noqa: S606
