"""Where the exporter finds what it asks: variables, with the names of Compose as defaults."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

PAGES = {
    "webserver": "http://webserver:3070/server_info",
    "mlflow": "http://mlflow:5000/health",
    "feast": "http://feast:6566/health",
}
"""The page of each service that answers while it works; the registry's network is not ours."""


@dataclass(frozen=True)
class Settings:
    """Addresses and places.

    Attributes:
        port: Where Prometheus reads.
        dagster: Dagster's webserver.
        nginx: The page of nginx's `stub_status`.
        tls: Host and port whose certificate is watched.
        containers: The file in which the run keeper tells the platform's containers.
        pages: A page of each service.
    """

    port: int = 9110
    dagster: str = "http://webserver:3070"
    nginx: str = "http://nginx:8082/status"
    tls: str = "nginx:8443"
    containers: Path = Path("/var/lib/dagster/storage/platform/containers.prom")
    pages: Mapping[str, str] = field(default_factory=lambda: dict(PAGES))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """What METRICS_PORT, DAGSTER_URL, NGINX_STATUS_URL, TLS_ADDRESS, CONTAINERS_FILE say.

        Raises:
            ValueError: METRICS_PORT is no number.
        """
        default = cls()
        return cls(
            port=int(environment.get("METRICS_PORT") or default.port),
            dagster=environment.get("DAGSTER_URL") or default.dagster,
            nginx=environment.get("NGINX_STATUS_URL") or default.nginx,
            tls=environment.get("TLS_ADDRESS") or default.tls,
            containers=Path(environment.get("CONTAINERS_FILE") or default.containers),
        )
