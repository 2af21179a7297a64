"""Takes production, and every customer, back to a version that was released: `make rollback`."""

import argparse
from collections.abc import Sequence

from commands.console import say
from commands.versions import run_on, version_number, version_of
from ml_assets.core.promotion import who


def main(arguments: Sequence[str]) -> None:
    """Launches the rollback."""
    parser = argparse.ArgumentParser(prog="make rollback", description=__doc__)
    parser.add_argument("model", help="name of the model")
    parser.add_argument("--to", type=version_number, required=True, help="the version to go to")
    parser.add_argument("--reason", default="", help="why; the ledger keeps it")
    parser.add_argument("--who", default=who(), help="who asks for it; the ledger keeps it")
    options = parser.parse_args(arguments)
    version = version_of(options.model, options.to)
    asked = {"who": options.who, "reason": options.reason}
    run_on(version, "roll_back", config={"ops": {"rollback": {"config": asked}}})
    say(
        f"\n{version.label} is in production again; make ledger shows who has it. What this "
        f"platform serves changes with: make serve MODEL={version.name}"
    )
