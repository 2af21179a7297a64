"""What the webserver is asked in GraphQL, and what its answers are as values."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platform_metrics.releases import LOCATION, ReleaseRun

Answer = Mapping[str, Any]

ACTIVE = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
REPOSITORY, PARTITION = ".dagster/repository", "dagster/partition"
RELEASES_LOOKED_AT = 100
INGESTED = "online_features"

OVERVIEW = """
query($active: [RunStatus!]!, $since: Float!) {
  instance { daemonHealth { allDaemonStatuses {
    daemonType required healthy lastHeartbeatTime
  } } }
  repositoriesOrError {
    ... on RepositoryConnection { nodes {
      location { name } pipelines { name } assetNodes { assetKey { path } }
    } }
    ... on Error { message }
  }
  locationStatusesOrError { ... on WorkspaceLocationStatusEntries { entries { name } } }
  active: runsOrError(filter: {statuses: $active}) { ... on Runs { results {
    jobName status creationTime repositoryOrigin { repositoryLocationName }
  } } }
  changed: runsOrError(filter: {updatedAfter: $since}, limit: 1000) { ... on Runs { results {
    jobName repositoryOrigin { repositoryLocationName }
  } } }
}
"""


@dataclass(frozen=True, order=True)
class Job:
    """A job of a code location."""

    location: str
    name: str


@dataclass(frozen=True)
class ActiveRun:
    """A run that has not ended.

    Attributes:
        job: Its job.
        status: Its status, in Dagster's words.
        created: When it was asked for, in seconds since 1970.
    """

    job: Job
    status: str
    created: float


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended: how, when, and how long it took, in seconds."""

    status: str
    ended: float
    seconds: float


@dataclass(frozen=True)
class JobTally:
    """What became of the runs of a job.

    Attributes:
        ended: How many ended with which status.
        last: The newest of those that ended.
    """

    ended: Mapping[str, int]
    last: EndedRun | None


@dataclass(frozen=True)
class Daemon:
    """A part of Dagster's daemon: whether it is as it should be, and when it was heard of last."""

    name: str
    is_healthy: bool
    heartbeat: float | None


@dataclass(frozen=True)
class Overview:
    """What the webserver says in one go.

    Attributes:
        daemons: The parts of the daemon that are needed.
        locations: Each code location, and whether it is loaded.
        jobs: All jobs of the locations that are loaded.
        ingested: The assets that put features into the online store.
        active: Runs that have not ended.
        changed: Jobs of which a run changed since the last look.
    """

    daemons: Sequence[Daemon]
    locations: Mapping[str, bool]
    jobs: frozenset[Job]
    ingested: Sequence[Sequence[str]]
    active: Sequence[ActiveRun]
    changed: frozenset[Job]


def read_overview(answer: Answer) -> Overview:
    """The overview that the webserver answered."""
    nodes = answer["repositoriesOrError"]["nodes"]
    loaded = {node["location"]["name"] for node in nodes}
    entries = answer["locationStatusesOrError"]["entries"]
    assets = (asset["assetKey"]["path"] for node in nodes for asset in node["assetNodes"])
    return Overview(
        daemons=_daemons(answer["instance"]["daemonHealth"]["allDaemonStatuses"]),
        locations={entry["name"]: entry["name"] in loaded for entry in entries},
        jobs=frozenset(
            Job(node["location"]["name"], job["name"])
            for node in nodes
            for job in node["pipelines"]
        ),
        ingested=sorted(path for path in assets if len(path) == 2 and path[1] == INGESTED),
        active=[
            ActiveRun(_job(run), run["status"], run["creationTime"])
            for run in answer["active"]["results"]
        ],
        changed=frozenset(_job(run) for run in answer["changed"]["results"]),
    )


def tallies_query(jobs: Sequence[Job]) -> str:
    """Asks how many runs of each job ended in which way, and for the last of each."""
    return "query {" + "\n".join(_of_job(number, job) for number, job in enumerate(jobs)) + "}"


def read_tallies(jobs: Sequence[Job], answer: Answer) -> dict[Job, JobTally]:
    """The answer to ``tallies_query``."""
    return {job: _tally(answer, f"j{number}") for number, job in enumerate(jobs)}


def releases_query() -> str:
    """Asks for the last releases and deliveries that have ended."""
    return (
        f"query {{ runs: runsOrError(filter: {{{_of_location(LOCATION)}, "
        f"statuses: [SUCCESS, FAILURE]}}, limit: {RELEASES_LOOKED_AT}) "
        "{ ... on Runs { results { jobName status tags { key value } } } } }"
    )


def read_releases(answer: Answer, *, jobs: Iterable[str]) -> list[ReleaseRun]:
    """The answer to ``releases_query``; runs of other jobs, or without a version, are left out."""
    found = []
    for run in answer["runs"]["results"]:
        tags = {tag["key"]: tag["value"] for tag in run["tags"]}
        model, _, version = tags.get(PARTITION, "").rpartition(":")
        if model and run["jobName"] in jobs:
            found.append(ReleaseRun(run["jobName"], model, version, run["status"] == "FAILURE"))
    return found


def ingests_query(assets: Sequence[Sequence[str]]) -> str:
    """Asks when each asset was materialised last."""
    keys = ", ".join(f"{{path: {json.dumps(list(path))}}}" for path in assets)
    return (
        f"query {{ assetNodes(assetKeys: [{keys}]) "
        "{ assetKey { path } assetMaterializations(limit: 1) { timestamp } } }"
    )


def read_ingests(answer: Answer) -> dict[str, float]:
    """When the features of each model were ingested last; models without any are left out."""
    return {
        node["assetKey"]["path"][0]: int(one["timestamp"]) / 1000
        for node in answer["assetNodes"]
        for one in node["assetMaterializations"]
    }


def _daemons(statuses: Iterable[Answer]) -> list[Daemon]:
    return [
        Daemon(one["daemonType"].lower(), bool(one["healthy"]), one["lastHeartbeatTime"])
        for one in statuses
        if one["required"]
    ]


def _job(run: Answer) -> Job:
    origin = run["repositoryOrigin"] or {}
    return Job(origin.get("repositoryLocationName", ""), run["jobName"])


def _of_location(location: str) -> str:
    value = json.dumps(f"__repository__@{location}")
    return f'tags: [{{key: "{REPOSITORY}", value: {value}}}]'


def _of_job(number: int, job: Job) -> str:
    which = f"pipelineName: {json.dumps(job.name)}, {_of_location(job.location)}"
    counts = (
        f"j{number}_{status}: runsOrError(filter: {{{which}, statuses: [{status}]}}) "
        "{ ... on Runs { count } }"
        for status in ENDED
    )
    last = (
        f"j{number}_last: runsOrError("
        f"filter: {{{which}, statuses: [{', '.join(ENDED)}]}}, limit: 1)"
        " { ... on Runs { results { status startTime endTime } } }"
    )
    return "\n".join((*counts, last))


def _tally(answer: Answer, prefix: str) -> JobTally:
    last = None
    for run in answer[f"{prefix}_last"]["results"]:
        end = run["endTime"] or 0.0
        last = EndedRun(run["status"], end, max(0.0, end - (run["startTime"] or end)))
    return JobTally({status: answer[f"{prefix}_{status}"]["count"] for status in ENDED}, last)
