"""Requests that may be in hand at a time; one more is refused at once, none waits."""

from collections.abc import Iterator
from contextlib import contextmanager

from serving.runtime.http.exchange import HttpError

RETRY_SECONDS = 1
"""After how many seconds a client that was refused may ask again."""


class Slots:
    """Places for requests of one kind.

    Attributes:
        taken: How many requests are in hand.
    """

    def __init__(self, count: int, *, kind: str) -> None:
        """Takes how many there are, and what the requests are called in messages."""
        self._count = count
        self._kind = kind
        self.taken = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Holds one while the block runs.

        Raises:
            HttpError: All are taken (503).
        """
        if self.taken >= self._count:
            raise HttpError(
                503,
                f"the service has {self._count} {self._kind} in hand and takes no more; try again "
                "later",
                headers={"retry-after": str(RETRY_SECONDS)},
            )
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
