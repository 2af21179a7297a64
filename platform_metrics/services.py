"""Whether each service answers."""

from collections.abc import Mapping, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

from platform_metrics.asking import fetch
from platform_metrics.failures import SourceError
from platform_metrics.neighbours import Neighbours


class Services:
    """The services that have a page of their own to ask."""

    name = "platform_services"

    def __init__(self, pages: Mapping[str, str], neighbours: Neighbours) -> None:
        self._pages = pages
        self._neighbours = neighbours

    def read(self) -> Sequence[Metric]:
        """Asks each service that the platform has."""
        up = GaugeMetricFamily(
            "platform_service_up", "Whether a service answers.", labels=["service"]
        )
        for service, page in self._pages.items():
            if self._neighbours.has(service):
                up.add_metric([service], int(_answers(page)))
        return [up]


def _answers(page: str) -> bool:
    try:
        fetch(page)
    except SourceError:
        return False
    return True
