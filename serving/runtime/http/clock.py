"""A clock of which one thing waits at a time."""

import asyncio
from collections.abc import Callable


class Clock:
    """Calls a function some time later, unless it is stopped or started anew before."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Takes the loop in which it runs."""
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    @property
    def is_running(self) -> bool:
        """Whether the function is still to be called."""
        return self._handle is not None

    def start(self, seconds: float, end: Callable[[], None]) -> None:
        """Calls ``end`` after so many seconds, and nothing that was to be called before."""
        self.stop()
        self._handle = self._loop.call_later(seconds, self._ring, end)

    def stop(self) -> None:
        """Calls nothing."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self, end: Callable[[], None]) -> None:
        self._handle = None
        end()
