"""Names the released image of the version in production, once it is released: for `make serve`."""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Mapping, Sequence

from commands.console import say
from commands.following import follow, run_page
from commands.platform import DEFAULT_URL, ENDED, Platform, PlatformError
from commands.versions import live_version, version_of
from ml_assets.resources.version_files import RegisteredVersion
from serving.release.partitions import partition_key

LAUNCH_SECONDS = 30
"""How long the sensor may take to launch the release of what was promoted a moment ago."""
POLL_SECONDS = 1

_RELEASES = """query($tags: [ExecutionTag!]!) {
  runsOrError(filter: {pipelineName: "release", tags: $tags}, limit: 1) {
    ... on Runs { results { runId status } } } }"""


def main(arguments: Sequence[str]) -> None:
    """Prints the image by its digest; progress goes to standard error.

    Raises:
        PlatformError: The version in production has none, and none is on its way.
    """
    parser = argparse.ArgumentParser(prog="make serve", description=__doc__)
    parser.add_argument("model", help="name of the model")
    model = parser.parse_args(arguments).model
    advice = (
        f"train one: make train MODEL={model}; what make run made here is served with: "
        f"make serve MODEL={model} HERE=1"
    )
    version = live_version(model, advice=advice)
    if "image_digest" not in version.tags:
        with contextlib.redirect_stdout(sys.stderr):
            _follow_release(version)
        version = version_of(model, version.version)
    if "image_digest" not in version.tags:
        raise PlatformError(
            f"{version.label} has no image, though its release ended; {_again(version)}"
        )
    with contextlib.redirect_stdout(sys.stderr):
        say(title=f"serves {version.label}")
    say(reference(version.tags))


def reference(tags: Mapping[str, str]) -> str:
    """An image by its digest, ``localhost:5050/iris@sha256:...``, from the tags of its version."""
    return f"{tags['image'].rpartition(':')[0]}@{tags['image_digest']}"


def _follow_release(version: RegisteredVersion) -> None:
    """Follows the release of a version to its end.

    Raises:
        RunFailedError: It fails.
        PlatformError: There is none, or it has failed before.
    """
    platform = Platform(os.environ.get("DAGSTER_URL") or DEFAULT_URL)
    run, status = _newest_release(platform, version)
    if not run:
        raise PlatformError(
            f"{version.label} is not released, and no release began; {_again(version)}"
        )
    if status in ENDED and status != "SUCCESS":
        page = run_page(platform, run)
        raise PlatformError(
            f"the release of {version.label} has failed, see {page}; {_again(version)}"
        )
    say(title=f"waits for the release of {version.label}", text=f"  {run_page(platform, run)}")
    follow(platform, run)


def _again(version: RegisteredVersion) -> str:
    return f"start it again with: make release MODEL={version.name}"


def _newest_release(platform: Platform, version: RegisteredVersion) -> tuple[str, str]:
    """The run that releases a version and its status; two empty texts if none begins."""
    key = partition_key(version.name, version.version)
    tags = [{"key": "dagster/partition", "value": key}]
    deadline = time.monotonic() + LAUNCH_SECONDS
    while not (runs := platform.ask(_RELEASES, {"tags": tags})["runsOrError"]["results"]):
        if time.monotonic() > deadline:
            return "", ""
        time.sleep(POLL_SECONDS)
    return str(runs[0]["runId"]), str(runs[0]["status"])
