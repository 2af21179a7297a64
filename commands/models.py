"""Lists MLflow's registered models and what is in production of each: `make registry-list`."""

import argparse
from collections.abc import Sequence

from commands.console import say
from ml_assets.resources.registry import ModelRegistry
from ml_assets.settings import Settings


def main(arguments: Sequence[str]) -> None:
    """Prints a line for each model."""
    argparse.ArgumentParser(prog="make registry-list", description=__doc__).parse_args(arguments)
    models = ModelRegistry(tracking_uri=Settings.from_environment().tracking_uri).models()
    for name, live in sorted(models.items()):
        say(title=name, text=f"  {'nothing' if live is None else f'v{live}'} in production")
    if not models:
        say("no model is registered yet; train one: make train MODEL=iris")
