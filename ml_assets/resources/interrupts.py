"""Ctrl-C, and the end of a run that somebody cancels, that can't get lost.

A signal's exception rises wherever the interpreter is. Inside a finaliser or a callback from C, for
instance while the garbage collector runs, Python discards it and goes on, and the run with it.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

DAGSTERS_INTERRUPT = "DagsterExecutionInterruptedError"
"""How Dagster calls Ctrl-C during a run; by name, as to import Dagster takes seconds."""
AGAIN_SECONDS = 0.05


@contextmanager
def lasting_interrupts() -> Iterator[None]:
    """Within, an interrupt that Python had to discard is raised again a moment later.

    Only a process's main thread gets interrupts; in others nothing happens.

    Raises:
        KeyboardInterrupt: An interrupt was discarded, and then an error or the end came first.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    discarded = False
    hook_before = sys.unraisablehook

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        nonlocal discarded
        if not _is_interrupt(unraisable.exc_type):
            hook_before(unraisable)
            return
        discarded = True
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)

    alarm_before = signal.signal(signal.SIGALRM, _interrupt)
    sys.unraisablehook = hook
    try:
        yield
    except Exception as error:
        if discarded:  # an interrupt in a callback is an error to the library that called it
            raise KeyboardInterrupt from error
        raise
    finally:
        is_pending = signal.setitimer(signal.ITIMER_REAL, 0)[0] > 0
        sys.unraisablehook = hook_before
        signal.signal(signal.SIGALRM, alarm_before)
    if is_pending:
        raise KeyboardInterrupt


def _is_interrupt(error: type[BaseException]) -> bool:
    return issubclass(error, KeyboardInterrupt) or error.__name__ == DAGSTERS_INTERRUPT


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)
