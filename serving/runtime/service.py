"""The BentoML service: the model, and the HTTP application in front of all of BentoML's own."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml
from bentoml import Service

from serving.runtime.errors import MLAssetsError, ModelFileError
from serving.runtime.http import logs
from serving.runtime.http.keys import ApiKeys
from serving.runtime.libraries import absent
from serving.runtime.manifest import ModelFiles
from serving.runtime.release_notes import RELEASE, ReleaseNotes, read_release_notes
from serving.runtime.settings import ServiceSettings

if TYPE_CHECKING:
    from serving.runtime.http.application import Application

PORT = 8000

UNUSED = ("pandas", "sklearn")
"""What XGBoost imports where it is installed, and a service has no use for: half of its memory."""

BENTO = Path(__file__).parents[2]


@contextmanager
def ending_plainly() -> Iterator[None]:
    """Ends the process with a message in the log where an error of ours is raised."""
    try:
        yield
    except MLAssetsError as error:
        logs.service.error("the service can't start: %s", error)
        sys.exit(1)


# At once, so that what BentoML says before it starts anything is in the log too.
logs.configure("info")
with ending_plainly():
    settings = ServiceSettings.read(os.environ)
logs.configure(settings.log_level)


class DirectService(Service[Any]):  # type: ignore[misc]  # BentoML has no types
    """A service whose workers are an ASGI application of our own.

    BentoML starts, looks after and ends the processes. Its own application is left out: a request's
    way through it takes longer than a prediction.
    """

    def to_asgi(self, is_main: bool = True) -> "Application":  # noqa: ARG002, FBT001, FBT002
        """The application of one worker, which ends with a plain message if it can't start."""
        if settings.workers == 1:
            # prometheus_client would share figures through files, which the disk makes wait.
            os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
        # Only workers need it; the build and the process above the workers do without XGBoost.
        with absent(*UNUSED):
            from serving.runtime.http.connection import install_protocol  # noqa: PLC0415
            from serving.runtime.http.start import load_application  # noqa: PLC0415

        with ending_plainly():
            directory = model_directory()
            application = load_application(
                directory,
                notes=release_notes(directory),
                version=released_version(),
                settings=settings,
            )
        install_protocol(application.metrics)
        return application


@bentoml.service(service_class=DirectService, http={"port": PORT}, workers=settings.workers)
class PredictionService:
    """Answers `POST /predict` with the predictions of one model."""

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def prepare() -> None:
        """Before the first worker: what can be found wrong without a model ends the service."""
        from serving.runtime.vigilance import watch_closely  # noqa: PLC0415

        with ending_plainly():
            directory = model_directory()
            ModelFiles.read(directory, digest=release_notes(directory).digest)
            if settings.api_keys_file:
                ApiKeys.read(settings.api_keys_file)
        watch_closely()


def model_directory() -> Path:
    """The model's directory: `model/` of the Bento, else what `MODEL_DIR` names.

    Raises:
        ModelFileError: There is neither.
    """
    inside = BENTO / "model"
    if inside.is_dir():
        return inside
    if "MODEL_DIR" not in os.environ:
        raise ModelFileError(f"there is no model in {inside}; set MODEL_DIR to a model's directory")
    return Path(os.environ["MODEL_DIR"])


def release_notes(directory: Path) -> ReleaseNotes:
    """What the release tells of the model; a model that `MODEL_DIR` names may have none.

    Raises:
        ModelFileError: A Bento's are missing or damaged.
    """
    notes = read_release_notes(directory)
    if directory.parent == BENTO and not notes.digest:
        raise ModelFileError(
            f"{BENTO / RELEASE} is missing or does not name the model; fetch the Bento again"
        )
    return notes


def released_version() -> str:
    """The model's version out of the Bento's tag `<model>:v<version>`; "dev" without a Bento."""
    tag = bentoml.server_context.bento_version
    return tag.removeprefix("v") if tag.startswith("v") else "dev"
