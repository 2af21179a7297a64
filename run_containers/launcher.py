"""The launcher of run containers; whoever cancels a run needs no Docker Engine for it."""

from collections.abc import Mapping, Sequence

from dagster import DagsterInvariantViolationError, DagsterRun, DagsterRunStatus
from dagster_docker import DockerRunLauncher
from dagster_docker.container_context import DockerContainerContext
from dagster_docker.docker_run_launcher import DOCKER_CONTAINER_ID_TAG

from run_containers.labels import container_name, run_labels


class RunContainerLauncher(DockerRunLauncher):
    """Starts each run in a container that the run keeper finds by its labels.

    It takes the configuration of ``DockerRunLauncher``, in ``dagster.yaml``::

        run_launcher:
          module: run_containers.launcher
          class: RunContainerLauncher

    Containers are never removed here: ``run_containers.keeper`` does so, once their output is kept.
    """

    def get_container_context(self, dagster_run: DagsterRun) -> DockerContainerContext:
        """The container's options for one run, with a name that people can read and our labels.

        Raises:
            DagsterInvariantViolationError: The options ask for ``auto_remove``.
        """
        context: DockerContainerContext = super().get_container_context(dagster_run)
        if context.container_kwargs.get("auto_remove"):
            raise DagsterInvariantViolationError(
                f"container_kwargs of {dagster_run.job_name} ask for auto_remove, which would lose "
                "the container's output; leave it out, the run keeper removes ended containers"
            )
        labels = _as_mapping(context.container_kwargs.get("labels", {}))
        ours = {
            "name": _name(dagster_run),
            "labels": {**labels, **run_labels(dagster_run.run_id)},
        }
        merged: DockerContainerContext = context.merge(
            DockerContainerContext(container_kwargs=ours)
        )
        return merged

    def terminate(self, run_id: str) -> bool:
        """Records that a run is being cancelled; the run keeper stops its container.

        The webserver calls this for whoever presses "Terminate", so it works without an engine.

        Returns:
            False if there is no such run, or if it is finished.
        """
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        if run.status is not DagsterRunStatus.CANCELING:
            self._instance.report_run_canceling(
                run, message="Cancelling: the run keeper stops the container."
            )
        return True


def _name(run: DagsterRun) -> str:
    """A started run gets a second container when it is resumed; a retry has its parent's tags."""
    is_resumed = run.status is DagsterRunStatus.STARTED
    before = run.tags.get(DOCKER_CONTAINER_ID_TAG, "") if is_resumed else ""
    return container_name(run.job_name, run.run_id, after=before)


def _as_mapping(labels: Mapping[str, str] | Sequence[str]) -> Mapping[str, str]:
    """Docker takes labels without values as a list."""
    return labels if isinstance(labels, Mapping) else dict.fromkeys(labels, "")
