"""Delivers what is in production to the customers who have not got it: `make deliver`."""

import argparse
from collections.abc import Sequence

from commands.console import say
from commands.versions import run_on, version_of


def main(arguments: Sequence[str]) -> None:
    """Launches the delivery."""
    parser = argparse.ArgumentParser(prog="make deliver", description=__doc__)
    parser.add_argument("model", help="name of the model")
    options = parser.parse_args(arguments)
    version = version_of(options.model)
    run_on(version, "deliver")
    say(f"\nEvery customer of {version.name} has {version.label}; make ledger shows where.")
