"""Puts an application together."""

import gc
from pathlib import Path

from serving.runtime.card import model_card, support_contact
from serving.runtime.http.about import AboutRoutes
from serving.runtime.http.application import Application
from serving.runtime.http.draining import Drain
from serving.runtime.http.endpoints import PredictionRoutes
from serving.runtime.http.keys import ApiKeys
from serving.runtime.http.metrics import Metrics
from serving.runtime.http.online import store_of
from serving.runtime.http.openapi import openapi_document
from serving.runtime.release_notes import ReleaseNotes
from serving.runtime.served import ServedModel
from serving.runtime.settings import ServiceSettings

UNKNOWN = "whoever gave you this service"
"""Whom to ask where nobody is named."""


def load_application(
    directory: Path, *, notes: ReleaseNotes, version: str, settings: ServiceSettings
) -> Application:
    """The application of the model in a directory.

    The model has answered by then: the examples of the API's document are answers of its own.

    Args:
        directory: Where its files lie.
        notes: What its release tells of it.
        version: Its version in the registry.
        settings: What whoever runs the service has set.

    Raises:
        ModelFileError: A file is missing, damaged or not the one that was recorded.
        KeyFileError: The file of API keys can't be used.
    """
    served = ServedModel.load(directory, version=version, digest=notes.digest)
    application = create_application(served, settings, notes=notes)
    # What stays for good is looked through no more: each time took as long as a hundred answers.
    gc.collect()
    gc.freeze()
    return application


def create_application(
    served: ServedModel, settings: ServiceSettings, *, notes: ReleaseNotes
) -> Application:
    """The application of a loaded model.

    Args:
        served: The model.
        settings: What whoever runs the service has set.
        notes: What the release tells of the model.

    Raises:
        KeyFileError: The file of API keys can't be used.
    """
    metrics = Metrics(served.model.manifest, version=served.version)
    drain = Drain(seconds=settings.drain_seconds)
    card = model_card(served, notes, settings)
    contact = support_contact(notes, settings) or UNKNOWN
    document = openapi_document(served, settings, card=card, contact=contact)
    store = store_of(settings)
    about = AboutRoutes(
        served,
        card=card,
        document=document,
        metrics=metrics,
        drain=drain,
        store_answers=store.is_reachable if store else None,
    )
    predictions = PredictionRoutes(served, settings, metrics, store=store)
    return Application(
        {**predictions.routes(), **about.routes()},
        metrics=metrics,
        drain=drain,
        max_concurrency=settings.max_concurrency,
        closers=[store.close] if store else [],
        keys=ApiKeys.read(settings.api_keys_file) if settings.api_keys_file else None,
    )
