"""What tests of faults share: how often each is tried, and how a service is taken away."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.docker.engine import engine
from tests.docker.platform import PlatformCase, until

REPEATS = int(os.environ.get("FAULT_REPEATS", "2"))
"""How often each fault is tried, each time at another moment; there are five."""


@contextmanager
def killed(platform: PlatformCase, service: str) -> Iterator[None]:
    """Kills a service for the length of a block; afterwards waits until it is healthy again."""
    container = platform.container(service)
    engine("kill", container)
    try:
        yield
    finally:
        engine("start", container)
        await_health(container)


def await_health(container: str, *, seconds: float = 90) -> None:
    """Waits until a container is healthy."""
    until(
        lambda: engine("inspect", "--format={{.State.Health.Status}}", container) == "healthy",
        seconds=seconds,
        what=f"health of {container}",
    )
