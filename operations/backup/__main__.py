"""`make backup`: all state of the platform, in a new directory; it may go on working meanwhile."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from operations.backup.making import back_up
from operations.ending import ended
from operations.project import ROOT, Project
from operations.terminal import say

DEFAULT = ROOT / "backups"
KEEP_APART = """\
Not in it, as they hold secrets: .env, and what SIGNING_DIR, REGISTRY_AUTH_DIR, TLS_DIR and
API_KEYS_FILE in it name. Keep them elsewhere."""


def main(arguments: Sequence[str]) -> None:
    """Makes a backup and tells where it is.

    Raises:
        OperationsError: It can't be made; nothing is left of it.
    """
    parser = argparse.ArgumentParser(prog="make backup", description=__doc__)
    parser.add_argument("--to", type=Path, default=DEFAULT, help="where its directory is made")
    parser.add_argument("--env-file", type=Path, help="the file of settings; default is .env")
    options = parser.parse_args(arguments)
    made = back_up(Project.here(env_file=options.env_file), options.to.absolute())
    say(f"{KEEP_APART}\nRestore it with: make restore FROM={made}")


if __name__ == "__main__":
    sys.exit(ended(main, sys.argv[1:], interrupted="stopped; nothing is left of the backup"))
