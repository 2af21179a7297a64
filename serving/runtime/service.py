"""The BentoML service: one class around the HTTP application, with the model beside it."""

import os
from pathlib import Path

import bentoml

from serving.runtime.app import create_app
from serving.runtime.errors import ModelFileError

PORT = 8000

app = create_app()


@bentoml.service(http={"port": PORT})
@bentoml.asgi_app(app)
class PredictionService:
    """Answers `POST /predict` with the predictions of one model."""

    def __init__(self) -> None:
        # Only workers answer; BentoML's build and its arbiter do without the model's libraries.
        from serving.runtime.served import ServedModel  # noqa: PLC0415

        app.state.served = ServedModel.load(model_directory(), version=released_version())


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
