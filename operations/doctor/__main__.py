"""`make doctor`: every check, one line for each finding; status 1 if one of them is a problem."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from operations.doctor.examination import examine
from operations.doctor.findings import Level
from operations.doctor.report import as_json, as_text
from operations.ending import INTERRUPTED
from operations.project import Project
from operations.terminal import say


def main(arguments: Sequence[str]) -> int:
    """Examines the platform and prints what it finds.

    Returns:
        1 if there is a problem, else 0.
    """
    parser = argparse.ArgumentParser(prog="make doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--env-file", type=Path, help="the file of settings; default is .env")
    parser.add_argument(
        "--profile", action="append", default=[], help="a profile that is to run too (repeatable)"
    )
    options = parser.parse_args(arguments)
    report = examine(Project.here(env_file=options.env_file), options.profile)
    say(as_json(report) if options.json else as_text(report, in_colour=sys.stdout.isatty()))
    return int(any(one.level is Level.PROBLEM for found in report.values() for one in found))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
