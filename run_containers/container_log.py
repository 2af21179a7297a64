"""Keeps what a container printed, beside the compute logs of its run."""

import os
from collections.abc import Iterable
from pathlib import Path

from docker.models.containers import Container


def log_key(run_id: str, container_id: str) -> tuple[str, str, str]:
    """The key under which Dagster's compute logs find a container's output."""
    return run_id, "compute_logs", f"container-{container_id[:12]}"


def store_output(container: Container, path: Path) -> None:
    """Writes a container's stdout and stderr, in the order in which the engine got them.

    The file is complete or not there: it is written beside its place, put on the disk, and renamed.

    Args:
        container: A container that has ended.
        path: The file; an older one is replaced.

    Raises:
        OSError: It can't be written.
        DockerException: The engine does not hand the output out.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    _write(partial, container.logs(stdout=True, stderr=True, stream=True, follow=False))
    partial.replace(path)


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    with path.open("wb") as file:
        file.writelines(chunks)
        file.flush()
        os.fsync(file.fileno())
