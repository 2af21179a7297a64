"""Puts an application together."""

from pathlib import Path

from serving.runtime.card import EVALUATION, Evaluation, model_card, read_evaluation
from serving.runtime.example import example_columns
from serving.runtime.http.about import AboutRoutes
from serving.runtime.http.application import Application
from serving.runtime.http.draining import Drain
from serving.runtime.http.endpoints import PredictionRoutes
from serving.runtime.http.keys import ApiKeys
from serving.runtime.http.metrics import Metrics
from serving.runtime.served import ServedModel
from serving.runtime.settings import ServiceSettings


def load_application(directory: Path, *, version: str, settings: ServiceSettings) -> Application:
    """The application of the model in a directory, which has answered once already.

    What was measured before its release is read from the file beside the directory, if it is there.

    Raises:
        ModelFileError: A file is missing, damaged or not the one that was recorded.
        KeyFileError: The file of API keys can't be used.
    """
    served = ServedModel.load(directory, version=version)
    measured = directory.parent / EVALUATION
    evaluation = read_evaluation(measured) if measured.exists() else Evaluation()
    application = create_application(served, settings, evaluation=evaluation)
    served.answer(example_columns(served.model.manifest))
    return application


def create_application(
    served: ServedModel, settings: ServiceSettings, *, evaluation: Evaluation
) -> Application:
    """The application of a loaded model.

    Args:
        served: The model.
        settings: What whoever runs the service has set.
        evaluation: What was measured before the model was released.

    Raises:
        KeyFileError: The file of API keys can't be used.
    """
    metrics = Metrics(served.model.manifest, version=served.version)
    drain = Drain(seconds=settings.drain_seconds)
    card = model_card(served, evaluation, settings)
    about = AboutRoutes(served, card=card, metrics=metrics, drain=drain)
    return Application(
        {**PredictionRoutes(served, settings, metrics).routes(), **about.routes()},
        metrics=metrics,
        drain=drain,
        max_concurrency=settings.max_concurrency,
        keys=ApiKeys.read(settings.api_keys_file) if settings.api_keys_file else None,
    )
