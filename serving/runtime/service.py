"""The BentoML service: the model, and the HTTP application in front of all of BentoML's own."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml
from bentoml import Service

from serving.runtime.errors import ModelFileError
from serving.runtime.http import logs
from serving.runtime.settings import ServiceSettings

if TYPE_CHECKING:
    from serving.runtime.http.application import Application

PORT = 8000

settings = ServiceSettings.read(os.environ)


class DirectService(Service[Any]):  # type: ignore[misc]  # BentoML has no types
    """A service whose HTTP requests go to an application of its own.

    BentoML starts and ends the processes, and with them the class that is served. A request does
    not pass through its middleware, which takes longer than a prediction.
    """

    def to_asgi(self, is_main: bool = True) -> Any:  # noqa: FBT001, FBT002  BentoML's signature
        """The application of one worker."""
        of_bentoml = super().to_asgi(is_main)

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                await self.inner.application(scope, receive, send)
            else:
                await of_bentoml(scope, receive, send)

        return application


@bentoml.service(service_class=DirectService, http={"port": PORT}, workers=settings.workers)
class PredictionService:
    """Answers `POST /predict` with the predictions of one model."""

    application: "Application"

    def __init__(self) -> None:
        # Only workers answer; BentoML's build and its arbiter do without the model's libraries.
        from serving.runtime.http import start  # noqa: PLC0415

        logs.configure(settings.log_level)
        application = start.load_application(
            model_directory(), version=released_version(), settings=settings
        )
        application.drain.follow_signals()
        type(self).application = application

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def log_as_json() -> None:
        """Lets the process that looks after the workers log as they do."""
        logs.configure(settings.log_level)


def model_directory() -> Path:
    """The model's directory: `model/` of the Bento, else what `MODEL_DIR` names.

    Raises:
        ModelFileError: There is neither.
    """
    inside = Path(__file__).parents[2] / "model"
    if inside.is_dir():
        return inside
    if "MODEL_DIR" not in os.environ:
        raise ModelFileError(f"there is no model in {inside}; set MODEL_DIR to a model's directory")
    return Path(os.environ["MODEL_DIR"])


def released_version() -> str:
    """The model's version out of the Bento's tag `<model>:v<version>`; "dev" without a Bento."""
    tag = bentoml.server_context.bento_version
    return tag.removeprefix("v") if tag.startswith("v") else "dev"
