"""The process above the workers tells of every death."""

import logging
import os
import signal
from contextlib import closing

import psutil
import pytest
from circus.watcher import Watcher
from tornado.ioloop import IOLoop

from serving.runtime.vigilance import watch


@pytest.mark.parametrize("watched", [True, False], ids=["ours", "that of circus"])
def test_a_worker_that_dies_after_the_look_for_the_dead_is_told(
    watched: bool, caplog: pytest.LogCaptureFixture
) -> None:
    watcher = Watcher("service", "sleep 600", respawn=False, on_demand=True)
    if watched:
        watch(watcher)
    watcher._status = "active"
    watcher.spawn_process()
    (pid,) = watcher.processes
    os.kill(pid, signal.SIGKILL)
    _await_death(pid)
    with closing(IOLoop()) as watcher.loop, caplog.at_level(logging.ERROR):
        watcher.loop.run_sync(watcher.manage_processes)
    assert not watcher.processes
    assert (f"worker {pid} has died (signal 9)" in caplog.text) is watched


def _await_death(pid: int) -> None:
    while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        os.sched_yield()
