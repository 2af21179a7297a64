"""What the webserver says, as metrics."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

from platform_metrics.queries import ACTIVE, ENDED, ActiveRun, Job, JobTally, Overview

QUEUED = "QUEUED"


def daemon_metrics(overview: Overview) -> list[Metric]:
    """Whether the parts of the daemon are alive, and the code locations loaded."""
    healthy = GaugeMetricFamily(
        "dagster_daemon_healthy", "Whether a part of the daemon is healthy.", labels=["daemon"]
    )
    heartbeat = GaugeMetricFamily(
        "dagster_daemon_last_heartbeat_timestamp_seconds",
        "When a part of the daemon was heard of last.",
        labels=["daemon"],
    )
    loaded = GaugeMetricFamily(
        "dagster_code_location_loaded", "Whether a code location is loaded.", labels=["location"]
    )
    for daemon in overview.daemons:
        healthy.add_metric([daemon.name], int(daemon.is_healthy))
        if daemon.heartbeat is not None:
            heartbeat.add_metric([daemon.name], daemon.heartbeat)
    for location, is_loaded in overview.locations.items():
        loaded.add_metric([location], int(is_loaded))
    return [healthy, heartbeat, loaded]


def run_metrics(overview: Overview, tallies: Mapping[Job, JobTally]) -> list[Metric]:
    """Runs by code location, job and status, and the last run of each job."""
    runs = GaugeMetricFamily(
        "dagster_runs", "Runs that Dagster knows.", labels=["location", "job_name", "status"]
    )
    active = Counter((run.job, run.status) for run in overview.active)
    for job in sorted(overview.jobs | {run.job for run in overview.active}):
        ended = tallies[job].ended if job in tallies else {}
        for status in (*ACTIVE, *ENDED):
            count = active[job, status] if status in ACTIVE else ended.get(status, 0)
            runs.add_metric([job.location, job.name, status.lower()], count)
    return [runs, *_last_runs(tallies)]


def _last_runs(tallies: Mapping[Job, JobTally]) -> list[Metric]:
    about = "of the last run of a job that has ended"
    labels = ["location", "job_name"]
    end = GaugeMetricFamily(
        "dagster_job_last_run_end_timestamp_seconds", f"End {about}.", labels=labels
    )
    took = GaugeMetricFamily(
        "dagster_job_last_run_duration_seconds", f"Duration {about}.", labels=labels
    )
    status = GaugeMetricFamily(
        "dagster_job_last_run_status",
        f"Whether this is the status {about}.",
        labels=[*labels, "status"],
    )
    for job, tally in sorted(tallies.items(), key=lambda item: item[0]):
        if tally.last is None:
            continue
        end.add_metric([job.location, job.name], tally.last.ended)
        took.add_metric([job.location, job.name], tally.last.seconds)
        for one in ENDED:
            status.add_metric([job.location, job.name, one.lower()], int(one == tally.last.status))
    return [end, took, status]


def queue_metrics(active: Sequence[ActiveRun]) -> list[Metric]:
    """How long the queue is, and since when the first of it waits; that only if there is one."""
    waiting = [run.created for run in active if run.status == QUEUED]
    length = GaugeMetricFamily(
        "dagster_queue_runs", "Runs that wait for their turn.", value=len(waiting)
    )
    oldest = GaugeMetricFamily(
        "dagster_queue_oldest_run_timestamp_seconds",
        "When the run was asked for that waits longest.",
    )
    if waiting:
        oldest.add_metric([], min(waiting))
    return [length, oldest]


def feature_metrics(ingests: Mapping[str, float]) -> Iterable[Metric]:
    """When the features of each model were written to the online store last."""
    last = GaugeMetricFamily(
        "platform_features_last_ingest_timestamp_seconds",
        "When the features of a model were written to the online store last.",
        labels=["model"],
    )
    for model, when in sorted(ingests.items()):
        last.add_metric([model], when)
    yield last
