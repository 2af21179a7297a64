"""The platform's containers, as the run keeper tells them in a file."""

import time
from collections.abc import Sequence
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from platform_metrics.failures import SourceError

STALE_SECONDS = 90


class ContainersFile:
    """A file in Prometheus' text format, which is passed on."""

    name = "platform_containers"

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Sequence[Metric]:
        """What the file says.

        Raises:
            SourceError: It is not there, too old, or something else.
        """
        try:
            age = time.time() - self._path.stat().st_mtime
            text = self._path.read_text(encoding="utf-8")
            metrics = [*text_string_to_metric_families(text)]
        except (OSError, ValueError) as error:
            raise SourceError(
                f"{self._path} can't be read: {error}; see the log of run-keeper"
            ) from error
        if age > STALE_SECONDS:
            raise SourceError(f"{self._path} is {age:.0f} s old; see the log of run-keeper")
        return metrics

    def services(self) -> frozenset[str] | None:
        """The services that have containers; None if that is not known."""
        try:
            samples = [sample for metric in self.read() for sample in metric.samples]
        except SourceError:
            return None
        return frozenset(
            sample.labels["service"] for sample in samples if "service" in sample.labels
        )
