"""Sources of figures, each watched by a thread of its own, so that none holds up another."""

import logging
import math
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from platform_metrics.failures import SourceError

INTERVAL_SECONDS = 15
STALE_SECONDS = 60
"""After this long without an answer, what a source said last is not told any more.

Until then it is, so that one answer that came late ends no alert and starts no `for:` anew.
"""

_log = logging.getLogger(__name__)


class Source(Protocol):
    """Somebody who is asked for figures again and again."""

    @property
    def name(self) -> str:
        """What the metric `<name>_up` and the log call it."""

    def read(self) -> Sequence[Metric] | None:
        """Its figures now; None if the platform has no such service.

        Raises:
            SourceError: It does not answer, or not as it should.
        """


class Watch:
    """What a source said last, and whether it answers."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._metrics: Sequence[Metric] | None = None
        self._read_at = -math.inf
        self._wrong = ""

    def look(self) -> None:
        """Asks the source; that it fails is logged once, and once that all is well again."""
        try:
            self._metrics = self._source.read()
        except SourceError as error:
            self._fail(str(error))
        except Exception as error:  # noqa: BLE001  one source must not end the others
            _log.debug("%s", self._source.name, exc_info=True)
            self._fail(f"{type(error).__name__}: {error}")
        else:
            self._read_at = time.monotonic()
            if self._wrong:
                _log.info("%s: all is well again", self._source.name)
            self._wrong = ""

    def look_for_ever(self) -> None:
        """Asks every 15 seconds, for as long as the process lives."""
        while True:
            self.look()
            time.sleep(INTERVAL_SECONDS)

    def tell(self) -> Iterator[Metric]:
        """Whether the source answers, and what it said last, unless that is too long ago."""
        is_fresh = time.monotonic() - self._read_at <= STALE_SECONDS
        up = is_fresh and not self._wrong
        if up and self._metrics is None:
            return
        name = self._source.name
        yield GaugeMetricFamily(f"{name}_up", f"Whether {name} could be read.", value=int(up))
        if is_fresh:
            yield from self._metrics or ()

    def _fail(self, reason: str) -> None:
        if not self._wrong:
            _log.warning("%s: %s; trying again until it works", self._source.name, reason)
        self._wrong = reason


class Watches(Collector):
    """What all sources said last, as prometheus_client collects it."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self.watches = [Watch(source) for source in sources]

    def start(self) -> None:
        """Begins to watch."""
        for watch in self.watches:
            threading.Thread(target=watch.look_for_ever, daemon=True).start()

    def collect(self) -> Iterator[Metric]:
        """Every figure that is known now."""
        for watch in self.watches:
            yield from watch.tell()
