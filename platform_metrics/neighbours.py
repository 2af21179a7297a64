"""Which services the platform has: profiles leave some out, and these are not missed."""

import socket

from platform_metrics.containers import ContainersFile


class Neighbours:
    """Knows services by their containers, or else by their names in the network."""

    def __init__(self, containers: ContainersFile) -> None:
        self._containers = containers

    def has(self, service: str) -> bool:
        """Whether there is such a service, running or not."""
        known = self._containers.services()
        return service in known if known is not None else _resolves(service)


def _resolves(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True
