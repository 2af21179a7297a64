"""Calls the service's application in this process."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from serving.runtime.http.application import Application
from serving.runtime.http.start import create_application
from serving.runtime.model import Model
from serving.runtime.release_notes import ReleaseNotes
from serving.runtime.served import ServedModel
from serving.runtime.settings import ServiceSettings


@dataclass(frozen=True)
class Client:
    """Sends requests to an application."""

    application: Application

    def request(self, method: str, path: str, **content: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with self.opened() as client:
                return await client.request(method, path, **content)

        return asyncio.run(ask())

    def get(self, path: str, **content: Any) -> httpx.Response:
        return self.request("GET", path, **content)

    def post(self, path: str, **content: Any) -> httpx.Response:
        return self.request("POST", path, **content)

    def opened(self) -> httpx.AsyncClient:
        """A client for several requests at once."""
        transport = httpx.ASGITransport(self.application)
        return httpx.AsyncClient(transport=transport, base_url="http://service")


def figure(metrics: str, series: str) -> float:
    """The sum of the figures whose series begin so."""
    lines = (line for line in metrics.splitlines() if line.startswith(series))
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def client_of(model: Model, environment: Mapping[str, str] | None = None) -> Client:
    """A client of a model's service, whose settings are those of an environment."""
    settings = ServiceSettings.read(environment or {})
    notes = ReleaseNotes(metrics={"test_rmse": 1.5})
    return Client(create_application(ServedModel(model, "3"), settings, notes=notes))
