"""The end of a connection: the client can read its answer, but can't take for ever to do so."""

import asyncio
from collections.abc import Callable
from typing import Any

LINGER_SECONDS = 2.0
"""How long a client may go on sending what is not read, so that it can read its answer."""

WRITE_SECONDS = 60.0
WRITE_BYTES = 64 * 1024
"""What a client must read in that time of an answer that waits for it, or all of it."""


class PatientTransport:
    """A transport of asyncio that is slow to hang up, and hangs up on clients that do not read.

    If a socket is closed while something comes in, the client is told so at once and may lose what
    it has not read. So it is told that nothing more comes, and what it sends is thrown away.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        *,
        lingers: Callable[[], bool],
    ) -> None:
        """Takes the transport.

        Args:
            transport: What sends and receives.
            loop: The loop that it runs in.
            lingers: Whether the client may still be sending.
        """
        self._transport = transport
        self._loop = loop
        self._lingers = lingers
        self._is_closing = False
        self._linger_clock: asyncio.TimerHandle | None = None
        self._write_clock: asyncio.TimerHandle | None = None

    def __getattr__(self, name: str) -> Any:
        """All that is not told here is the transport's."""
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether nothing more is sent."""
        return self._is_closing or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Sends; what the client does not take at once must not wait for ever."""
        self._transport.write(data)
        if self._write_clock is None and self._waiting:
            self._watch_writing()

    def close(self) -> None:
        """Sends what waits, and hangs up."""
        if self.is_closing():
            return
        self._is_closing = True
        if self._lingers() and self._transport.can_write_eof():
            self._transport.write_eof()
            self._transport.resume_reading()
            self._linger_clock = self._loop.call_later(LINGER_SECONDS, self._transport.close)
        else:
            self._transport.close()

    def stop_clocks(self) -> None:
        """The connection is gone."""
        for clock in (self._linger_clock, self._write_clock):
            if clock is not None:
                clock.cancel()

    @property
    def _waiting(self) -> int:
        return self._transport.get_write_buffer_size()

    def _watch_writing(self) -> None:
        most = max(self._waiting - WRITE_BYTES, 0)
        self._write_clock = self._loop.call_later(WRITE_SECONDS, self._check_writing, most)

    def _check_writing(self, most: int) -> None:
        """Hangs up on a client for which more than ``most`` bytes still wait."""
        self._write_clock = None
        if self._waiting > most:
            self._transport.abort()
        elif self._waiting:
            self._watch_writing()
