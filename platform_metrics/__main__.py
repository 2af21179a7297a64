"""`python -m platform_metrics` is the service `metrics`, which Prometheus reads."""

import logging
import signal
import sys
import threading

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from platform_metrics.certificate import Certificate
from platform_metrics.containers import ContainersFile
from platform_metrics.neighbours import Neighbours
from platform_metrics.nginx import Nginx
from platform_metrics.services import Services
from platform_metrics.settings import Settings
from platform_metrics.watching import Source, Watches
from platform_metrics.webserver import Dagster


def main() -> None:
    """Serves until SIGTERM."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    try:
        settings = Settings.from_environment()
    except ValueError as error:
        sys.exit(f"METRICS_PORT must be a number: {error}")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    watches = Watches(sources(settings))
    watches.start()
    registry = CollectorRegistry()
    registry.register(watches)
    ProcessCollector(registry=registry)
    start_http_server(settings.port, registry=registry)
    ended.wait()


def sources(settings: Settings) -> list[Source]:
    """Everybody who is asked."""
    containers = ContainersFile(settings.containers)
    neighbours = Neighbours(containers)
    return [
        Dagster(settings.dagster),
        containers,
        Services(settings.pages, neighbours),
        Nginx(settings.nginx, neighbours),
        Certificate(settings.tls, neighbours),
    ]


if __name__ == "__main__":
    main()
