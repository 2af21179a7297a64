"""`make restore FROM=...`: a verified backup, in an empty platform, which `make up` then starts."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from operations.ending import ended
from operations.project import Project
from operations.restore.restoring import restore
from operations.terminal import say


def main(arguments: Sequence[str]) -> None:
    """Restores a backup and tells what comes next.

    Raises:
        OperationsError: It is damaged or does not fit, the platform is not empty, or it has failed.
    """
    parser = argparse.ArgumentParser(prog="make restore", description=__doc__)
    parser.add_argument("source", type=Path, metavar="FROM", help="directory of the backup")
    parser.add_argument("--env-file", type=Path, help="the file of settings; default is .env")
    options = parser.parse_args(arguments)
    project = Project.here(env_file=options.env_file)
    manifest = restore(project, options.source.absolute())
    say(f"restored what {manifest.platform} was at {manifest.created}; start it with: make up")


if __name__ == "__main__":
    sys.exit(ended(main, sys.argv[1:], interrupted="stopped"))
