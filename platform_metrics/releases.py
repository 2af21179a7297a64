"""Which releases have failed and were not mended since."""

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, Metric

RELEASE, DELIVER = "release", "deliver"
LOCATION = "release"


@dataclass(frozen=True)
class ReleaseRun:
    """A run of a release or of a delivery that has ended.

    Attributes:
        job: `release` or `deliver`.
        model: The model's name.
        version: Its version, as `v3`.
        has_failed: How it ended.
    """

    job: str
    model: str
    version: str
    has_failed: bool


@dataclass(frozen=True, order=True)
class FailedRelease:
    """A version of a model that customers were to get."""

    model: str
    version: str


def failed_releases(runs: Iterable[ReleaseRun]) -> list[FailedRelease]:
    """What failed and was not mended: by a later release of the model, or delivery of the version.

    Args:
        runs: Newest first.
    """
    released: set[str] = set()
    mended: set[FailedRelease] = set()
    failed: set[FailedRelease] = set()
    for run in runs:
        one = FailedRelease(run.model, run.version)
        if not run.has_failed:
            mended.add(one)
            released |= {run.model} if run.job == RELEASE else set()
        elif one not in mended and run.model not in released:
            failed.add(one)
    return sorted(failed)


def release_metrics(runs: Iterable[ReleaseRun]) -> list[Metric]:
    """The failed releases, and how many they are."""
    failed = failed_releases(runs)
    each = GaugeMetricFamily(
        "platform_release_failed",
        "A release or delivery that failed and was not mended since; always 1.",
        labels=["model", "version"],
    )
    for one in failed:
        each.add_metric([one.model, one.version], 1)
    count = GaugeMetricFamily(
        "platform_releases_failed",
        "Releases that failed and were not mended since.",
        value=len(failed),
    )
    return [each, count]
