"""Delivers what is in production to the customers who have not got it: `make deliver`."""

import argparse
from collections.abc import Sequence

from commands.console import say
from commands.versions import live_version, run_on


def main(arguments: Sequence[str]) -> None:
    """Launches the delivery."""
    parser = argparse.ArgumentParser(prog="make deliver", description=__doc__)
    parser.add_argument("model", help="name of the model")
    options = parser.parse_args(arguments)
    advice = f"make train MODEL={options.model} promotes one, and make rollback an earlier one"
    version = live_version(options.model, advice=advice)
    run_on(version, "deliver")
    say(
        f"\nThe delivery of {version.label} has ended; make ledger shows who of "
        "customers.yaml has it, and where."
    )
