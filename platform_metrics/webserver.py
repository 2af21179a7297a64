"""Dagster as its webserver tells it: runs, queue, daemon, releases and ingested features."""

import time
from collections.abc import Mapping, Sequence

from prometheus_client.core import Metric

from platform_metrics.asking import ask
from platform_metrics.failures import SourceError
from platform_metrics.figures import daemon_metrics, feature_metrics, queue_metrics, run_metrics
from platform_metrics.queries import (
    ACTIVE,
    OVERVIEW,
    Job,
    JobTally,
    Overview,
    ingests_query,
    read_ingests,
    read_overview,
    read_releases,
    read_tallies,
    releases_query,
    tallies_query,
)
from platform_metrics.releases import DELIVER, LOCATION, RELEASE, ReleaseRun, release_metrics

MARGIN_SECONDS = 120
"""How much older than the last look a change may be, for clocks that differ and slow writers."""
RECOUNT_SECONDS = 600
"""How long counts are kept of jobs of which no run changes; runs may be deleted."""


class Dagster:
    """A webserver; runs that have ended are counted again only where something changed."""

    name = "dagster"

    def __init__(self, url: str) -> None:
        self._url = f"{url}/graphql"
        self._tallies: dict[Job, JobTally] = {}
        self._releases: Sequence[ReleaseRun] = ()
        self._looked = time.time()
        self._counted = 0.0

    def read(self) -> Sequence[Metric]:
        """All figures.

        Raises:
            SourceError: The webserver does not answer, or not as it should.
        """
        try:
            return self._read()
        except (KeyError, TypeError) as error:
            raise SourceError(f"{self._url} answers something else: {error!r}") from error

    def _read(self) -> Sequence[Metric]:
        now = time.time()
        overview = self._overview()
        self._tallies = {job: one for job, one in self._tallies.items() if job in overview.jobs}
        is_due = now - self._counted > RECOUNT_SECONDS
        self._count(sorted(overview.jobs) if is_due else self._changed(overview))
        # Only now: what could not be counted is still to be counted.
        self._looked, self._counted = now, now if is_due else self._counted
        return [
            *daemon_metrics(overview),
            *run_metrics(overview, self._tallies),
            *queue_metrics(overview.active),
            *release_metrics(self._releases),
            *feature_metrics(self._ingests(overview)),
        ]

    def _overview(self) -> Overview:
        variables = {"active": ACTIVE, "since": self._looked - MARGIN_SECONDS}
        return read_overview(ask(self._url, OVERVIEW, variables))

    def _changed(self, overview: Overview) -> Sequence[Job]:
        return sorted((overview.jobs & overview.changed) | (overview.jobs - self._tallies.keys()))

    def _count(self, jobs: Sequence[Job]) -> None:
        if jobs:
            self._tallies |= read_tallies(jobs, ask(self._url, tallies_query(jobs)))
        if any(job.location == LOCATION for job in jobs):
            answer = ask(self._url, releases_query())
            self._releases = read_releases(answer, jobs=(RELEASE, DELIVER))

    def _ingests(self, overview: Overview) -> Mapping[str, float]:
        if not overview.ingested:
            return {}
        return read_ingests(ask(self._url, ingests_query(overview.ingested)))
