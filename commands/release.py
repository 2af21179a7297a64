"""Releases a version again, for instance after a release that failed: `make release`."""

import argparse
from collections.abc import Sequence

from commands.console import say
from commands.versions import live_version, run_on, version_number, version_of


def main(arguments: Sequence[str]) -> None:
    """Launches the release, and prints where its image is."""
    parser = argparse.ArgumentParser(prog="make release", description=__doc__)
    parser.add_argument("model", help="name of the model")
    parser.add_argument("--version", type=version_number, help="default: that in production")
    options = parser.parse_args(arguments)
    if options.version is None:
        advice = f"say which: VERSION=3, or train one: make train MODEL={options.model}"
        version = live_version(options.model, advice=advice)
    else:
        version = version_of(options.model, options.version)
    run_on(version, "release")
    released = version_of(version.name, version.version).tags
    say(f"\n{version.label} is released: {released['image']}, {released['image_digest']}")
