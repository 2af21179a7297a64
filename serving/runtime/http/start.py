"""Puts an application together."""

from pathlib import Path

from serving.runtime.http import logs
from serving.runtime.http.application import Application
from serving.runtime.http.endpoints import Endpoints
from serving.runtime.http.keys import ApiKeys
from serving.runtime.http.metrics import Metrics
from serving.runtime.served import ServedModel
from serving.runtime.settings import ServiceSettings


def create_application(directory: Path, *, version: str, settings: ServiceSettings) -> Application:
    """The application of the model in a directory."""
    logs.configure("info")
    return assemble(ServedModel.load(directory, version=version), settings)


def assemble(served: ServedModel, settings: ServiceSettings) -> Application:
    """The application of a loaded model."""
    metrics = Metrics(served.model.manifest, version=served.version)
    keys = ApiKeys.read(settings.api_keys_file) if settings.api_keys_file else None
    return Application(
        Endpoints(served, settings, metrics).routes(),
        metrics=metrics,
        max_concurrency=settings.max_concurrency,
        keys=keys,
    )
