"""Lists MLflow's registered models, their versions and aliases: `make registry-list`."""

import argparse
from collections.abc import Sequence

from commands.console import say
from ml_assets.resources.registry import ModelRegistry
from ml_assets.settings import Settings


def main(arguments: Sequence[str]) -> None:
    """Prints each model, and a line for each of its versions."""
    argparse.ArgumentParser(prog="make registry-list", description=__doc__).parse_args(arguments)
    registry = ModelRegistry(tracking_uri=Settings.from_environment().tracking_uri)
    names = sorted(registry.models())
    for name in names:
        say(title=name)
        for version, aliases in registry.aliases(name).items():
            say(f"  v{version}  {', '.join(aliases)}".rstrip())
    if not names:
        say("no model is registered yet; train one: make train MODEL=iris")
