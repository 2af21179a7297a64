"""The platform's Dagster as its webserver shows it: jobs are launched, followed and cancelled."""

import http.client
import json
import os
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from serving.runtime.errors import MLAssetsError

SECONDS = 30
"""How long the webserver may take for an answer."""
POLL_SECONDS = 0.3
DEFAULT_URL = "http://localhost:3070"
LOCATION = "ml_assets"
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
"""Statuses of runs that have ended."""

_LAUNCH = """
mutation($location: String!, $job: String!, $config: RunConfigData!, $tags: [ExecutionTag!]!) {
  launchRun(executionParams: {
    selector: {
      repositoryLocationName: $location, repositoryName: "__repository__", jobName: $job
    },
    runConfigData: $config, executionMetadata: {tags: $tags}
  }) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on Error { message }
  }
}
"""

_FOLLOW = """
query($run: ID!, $cursor: String) {
  logsForRun(runId: $run, afterCursor: $cursor) {
    ... on EventConnection {
      cursor
      events {
        __typename
        ... on MessageEvent { timestamp stepKey message }
        ... on ExecutionStepFailureEvent {
          error { message causes { message } } failureMetadata { description }
        }
        ... on RunFailureEvent { error { message causes { message } } }
        ... on AssetCheckEvaluationEvent {
          evaluation { checkName success severity description }
        }
      }
    }
    ... on Error { message }
  }
  runOrError(runId: $run) { ... on Run { status tags { key value } } }
}
"""

_CANCEL = """
mutation($run: String!) { terminateRun(runId: $run) { __typename
  ... on TerminateRunFailure { message } ... on Error { message } } }
"""

_ADD_PARTITION = """
mutation($repository: RepositorySelector!, $name: String!, $key: String!) {
  addDynamicPartition(
    repositorySelector: $repository, partitionsDefName: $name, partitionKey: $key
  ) { __typename ... on PythonError { message } ... on UnauthorizedError { message } }
}
"""

Status = Literal[
    "QUEUED", "NOT_STARTED", "MANAGED", "STARTING", "STARTED", "SUCCESS", "FAILURE", "CANCELING",
    "CANCELED",
]  # fmt: skip


class PlatformError(MLAssetsError):
    """The platform is out of reach, or refuses what it was asked."""


@dataclass(frozen=True)
class News:
    """What is new of a run.

    Attributes:
        events: Its new events, as the webserver's GraphQL describes them.
        status: Its status now.
        tags: Its tags.
        cursor: Where the next news begin.
    """

    events: Sequence[Mapping[str, Any]]
    status: Status
    tags: Mapping[str, str]
    cursor: str


@dataclass(frozen=True)
class Platform:
    """A Dagster webserver at an address such as ``http://localhost:3070``."""

    url: str

    def page(self, path: str) -> str:
        """Address of a page, as people reach it (``DAGSTER_PUBLIC_URL``)."""
        return f"{os.environ.get('DAGSTER_PUBLIC_URL') or self.url}/{path}"

    def launch(
        self,
        job: str,
        config: Mapping[str, object],
        *,
        location: str = LOCATION,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Puts a run of a job into the queue.

        Args:
            job: Name of the job.
            config: The run's configuration.
            location: The code location of the job.
            tags: The run's tags.

        Returns:
            The run's id.

        Raises:
            PlatformError: There is no such job, or the configuration is wrong.
        """
        pairs = [{"key": key, "value": value} for key, value in (tags or {}).items()]
        variables = {"location": location, "job": job, "config": dict(config), "tags": pairs}
        answer = self.ask(_LAUNCH, variables)["launchRun"]
        if "run" in answer:
            return str(answer["run"]["runId"])
        if answer["__typename"] == "PipelineNotFoundError":
            raise PlatformError(
                f"there is no job {job}: no model has that name, or it is newer than the images "
                f"(make up builds them), or it does not load; Dagster lists all at "
                f"{self.page('jobs')}"
            )
        errors = [error["message"] for error in answer.get("errors", [])]
        raise PlatformError(f"{job} can't be launched: {'; '.join(errors) or answer['message']}")

    def add_partition(self, name: str, key: str, *, location: str) -> None:
        """Adds a partition to dynamic ones, unless it is there.

        Args:
            name: Name of the definition of the partitions.
            key: The partition.
            location: The code location where they are defined.

        Raises:
            PlatformError: It can't be added.
        """
        repository = {"repositoryLocationName": location, "repositoryName": "__repository__"}
        variables = {"repository": repository, "name": name, "key": key}
        answer = self.ask(_ADD_PARTITION, variables)["addDynamicPartition"]
        if "message" in answer:
            raise PlatformError(f"the partition {key} can't be added: {answer['message']}")

    def news(self, run: str, *, after: str | None = None) -> News:
        """The events of a run after a cursor, and its status.

        Raises:
            PlatformError: There is no such run.
        """
        answer = self.ask(_FOLLOW, {"run": run, "cursor": after})
        log, found = answer["logsForRun"], answer["runOrError"]
        if "events" not in log or "status" not in found:
            raise PlatformError(f"run {run} can't be followed: {log.get('message', 'not found')}")
        tags = {tag["key"]: tag["value"] for tag in found["tags"]}
        return News(log["events"], found["status"], tags, log["cursor"])

    def cancel(self, run: str) -> None:
        """Asks a run to end; one whose container is being started only takes it a little later.

        Nothing happens if it has ended already.

        Raises:
            PlatformError: It can't be cancelled.
        """
        deadline = time.monotonic() + SECONDS
        while "message" in (answer := self.ask(_CANCEL, {"run": run})["terminateRun"]):
            status = self.news(run).status
            if status == "CANCELING" or status in ENDED:
                return
            if time.monotonic() > deadline:
                raise PlatformError(f"run {run} can't be cancelled: {answer['message']}")
            time.sleep(POLL_SECONDS)

    def ask(self, query: str, variables: Mapping[str, object]) -> dict[str, Any]:
        """What the webserver's GraphQL answers.

        Raises:
            PlatformError: It is out of reach, or refuses the query.
        """
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/graphql", body, headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as reply:  # noqa: S310
                content = json.load(reply)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise PlatformError(
                f"Dagster at {self.url} does not answer: {error}; start the platform with make up, "
                "and see docker compose ps"
            ) from error
        if content.get("errors"):
            raise PlatformError(f"Dagster refuses the request: {content['errors'][0]['message']}")
        data: dict[str, Any] = content["data"]
        return data
