"""The process above the workers: it sees a death within a second, and takes orders from nobody.

BentoML's own looks every ten seconds, silently, and obeys whoever reaches a port of the loopback.
"""

import logging
from collections.abc import Sequence
from tempfile import TemporaryDirectory
from typing import Any

from bentoml._internal.utils import circus
from circus.process import DEAD_OR_ZOMBIE, UNEXISTING
from circus.watcher import Watcher

SECONDS = 0.5
"""How long the process above the workers waits until it looks at them again."""

_log = logging.getLogger(__name__)


class VigilantArbiter(circus.Arbiter):
    """The process above the workers, which looks at them often."""

    def __init__(self, watchers: Sequence[Any], **options: Any) -> None:
        """Takes what BentoML gives, but for the time between two looks, and where orders come in.

        These are sockets in a directory of this user alone, and go with the process.
        """
        self._place = TemporaryDirectory(prefix="service-")
        ours = {
            "check_delay": SECONDS,
            "endpoint": f"ipc://{self._place.name}/orders",
            "pubsub_endpoint": f"ipc://{self._place.name}/news",
        }
        super().__init__(watchers, **{**options, **ours})
        for watcher in watchers:
            watch(watcher)


def watch(watcher: Watcher) -> None:
    """Lets a watcher tell of each worker that dies.

    circus drops those in silence that die between its look for the dead and its look for what is
    to be started.
    """
    start_missing = watcher.manage_processes

    def bury_and_start_missing() -> Any:
        for process in [*watcher.processes.values()]:
            if process.status in {DEAD_OR_ZOMBIE, UNEXISTING}:
                watcher.reap_process(process.pid)
        return start_missing()

    watcher.hooks["after_reap"] = tell_death
    watcher.manage_processes = bury_and_start_missing


def tell_death(*, watcher: Any, process_pid: int, exit_code: int, **_others: object) -> None:
    """Logs that a worker has ended by itself; circus tells of the others too."""
    if watcher.is_stopping() or watcher.is_stopped():
        return
    reason = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
    _log.error("worker %d has died (%s); another takes its place", process_pid, reason)


def watch_closely() -> None:
    """Lets BentoML start that process instead of its own; there is no setting for it."""
    setattr(circus, circus.Arbiter.__name__, VigilantArbiter)
