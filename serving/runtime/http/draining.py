"""The end of a worker: no request that is under way is lost.

A worker that is told to stop says at once that it is not ready, so that a load balancer sends no
more, and that each connection ends with its next answer. It goes on answering for a moment; then
the server takes nothing new, and ends when the last answer is out.
"""

import asyncio
import signal
from types import FrameType


class Drain:
    """Whether a worker is about to end.

    Attributes:
        has_begun: Whether it was told to stop.
    """

    def __init__(self, *, seconds: float) -> None:
        """Takes how long requests are still answered."""
        self._seconds = seconds
        self.has_begun = False

    def follow_signals(self) -> None:
        """Puts the draining before what the server does at SIGTERM; a second one skips it."""
        loop = asyncio.get_running_loop()
        stop = signal.getsignal(signal.SIGTERM)
        if not callable(stop):
            return

        def begin(number: int, _frame: FrameType | None) -> None:
            seconds = 0.0 if self.has_begun else self._seconds
            self.has_begun = True
            loop.call_soon_threadsafe(loop.call_later, seconds, stop, number, None)

        signal.signal(signal.SIGTERM, begin)
