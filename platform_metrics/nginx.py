"""nginx's `stub_status`."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from platform_metrics.asking import fetch
from platform_metrics.failures import SourceError
from platform_metrics.neighbours import Neighbours

_PAGE = re.compile(
    r"Active connections: (?P<active>\d+)\s+server accepts handled requests\s+"
    r"(?P<accepted>\d+) (?P<handled>\d+) (?P<requests>\d+)\s+"
    r"Reading: (?P<reading>\d+) Writing: (?P<writing>\d+) Waiting: (?P<waiting>\d+)"
)
_GAUGES = {
    "active": "Connections, waiting ones included.",
    "reading": "Connections of which nginx reads a request.",
    "writing": "Connections to which nginx writes an answer.",
    "waiting": "Connections kept open without a request.",
}
_COUNTERS = {
    "nginx_connections_accepted": ("accepted", "Connections accepted."),
    "nginx_connections_handled": (
        "handled",
        "Connections handled; fewer than accepted at a limit.",
    ),
    "nginx_http_requests": ("requests", "Requests."),
}


class Nginx:
    """The page on which nginx counts connections and requests."""

    name = "nginx"

    def __init__(self, url: str, neighbours: Neighbours) -> None:
        self._url = url
        self._neighbours = neighbours

    def read(self) -> Sequence[Metric] | None:
        """The counts; None if the platform has no nginx.

        Raises:
            SourceError: It does not answer, or another page.
        """
        if not self._neighbours.has(urlsplit(self._url).hostname or ""):
            return None
        found = _PAGE.search(fetch(self._url).decode("utf-8", "replace"))
        if found is None:
            raise SourceError(f"{self._url} is no page of stub_status")
        gauges = [
            GaugeMetricFamily(f"nginx_connections_{name}", text, value=int(found[name]))
            for name, text in _GAUGES.items()
        ]
        counters = [
            CounterMetricFamily(name, text, value=int(found[group]))
            for name, (group, text) in _COUNTERS.items()
        ]
        return [*gauges, *counters]
