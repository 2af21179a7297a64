"""Delivers a released version to its customers, whoever has not got it: `make deliver`."""

import argparse
from collections.abc import Sequence

from commands.console import say
from commands.versions import run_on, version_number, version_of


def main(arguments: Sequence[str]) -> None:
    """Launches the delivery."""
    parser = argparse.ArgumentParser(prog="make deliver", description=__doc__)
    parser.add_argument("model", help="name of the model")
    parser.add_argument("--version", type=version_number, help="default: that in production")
    options = parser.parse_args(arguments)
    version = version_of(options.model, options.version)
    run_on(version, "deliver")
    say(f"\nEvery customer of {version.name} has {version.label}; make ledger shows where.")
