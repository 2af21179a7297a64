"""The end of a connection: the client can read its answer, but can't take for ever to do so."""

import asyncio
import fcntl
import struct
import termios
from collections.abc import Callable
from functools import partial
from typing import Any

from serving.runtime.http.clock import Clock

LINGER_SECONDS = 2.0
"""How long a client may go on sending what is not read, so that it can read its answer."""

WRITE_SECONDS = 60.0
WRITE_BYTES = 64 * 1024
"""What must reach a client in that time of answers that wait for it."""


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
        self._lingers = lingers
        self._is_closing = False
        self._written = 0
        self._write_clock, self._linger_clock, self._last_clock = (Clock(loop) for _ in range(3))

    def __getattr__(self, name: str) -> Any:
        """All that is not told here is the transport's."""
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether nothing more is sent."""
        return self._is_closing or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Sends; what the client does not take at once must not wait for ever."""
        if not self._waiting:
            self._write_clock.stop()
        self._written += len(data)
        self._transport.write(data)
        if self._waiting and not self._write_clock.is_running:
            self._watch_writing()

    def close(self) -> None:
        """Sends what waits, and hangs up."""
        if self.is_closing():
            return
        self._is_closing = True
        if not self._lingers() or not self._transport.can_write_eof():
            self._transport.close()
            return
        try:
            self._transport.write_eof()
        except OSError:  # the client has hung up
            self._transport.abort()
            return
        self._transport.resume_reading()
        self._linger_clock.start(LINGER_SECONDS, self._transport.close)

    def abort_after(self, seconds: float) -> None:
        """Hangs up then, whatever waits."""
        self._last_clock.start(seconds, self._transport.abort)

    def stop(self) -> None:
        """The connection is gone."""
        for clock in (self._write_clock, self._linger_clock, self._last_clock):
            clock.stop()

    @property
    def _waiting(self) -> int:
        return self._transport.get_write_buffer_size()

    @property
    def _arrived(self) -> int:
        """Bytes that have reached the client: neither in our buffer nor in the kernel's."""
        file = self._transport.get_extra_info("socket").fileno()
        (queued,) = struct.unpack("i", fcntl.ioctl(file, termios.TIOCOUTQ, bytes(4)))
        return self._written - self._waiting - int(queued)

    def _watch_writing(self) -> None:
        enough = self._arrived + WRITE_BYTES
        self._write_clock.start(WRITE_SECONDS, partial(self._check_writing, enough))

    def _check_writing(self, enough: int) -> None:
        """Hangs up if something has waited all the time, and too little of it has arrived."""
        if self._waiting and self._arrived < enough:
            self._transport.abort()
        elif self._waiting:
            self._watch_writing()
