"""Serves the promoted version of a model with `bentoml serve`: `make serve`."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from commands.bento import build, promoted
from commands.console import say
from commands.ports import SERVICE_PORT, port, require_free
from ml_assets.settings import Settings
from serving.release.packaging import bentoml_environment
from serving.runtime.settings import ServiceSettings


def main(arguments: Sequence[str]) -> NoReturn:
    """Becomes `bentoml serve`."""
    parser = argparse.ArgumentParser(prog="make serve", description=__doc__)
    parser.add_argument("model", help="name of the model")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=port, default=SERVICE_PORT, help="port to listen on")
    options = parser.parse_args(arguments)
    settings = Settings.from_environment()
    ServiceSettings.read(os.environ)
    require_free(options.host, options.port, variable="PORT")
    bento = build(promoted(options.model, settings), settings)
    example = f"{settings.home}/data/{options.model}/example.json"
    url = f"http://{options.host}:{options.port}/predict"
    say(f"serving {bento.tag}; ask it from another terminal:")
    say(f"  curl -H 'Content-Type: application/json' -d @{example} {url}")
    serve = [sys.executable, "-m", "bentoml", "serve", bento.tag]
    address = ["--host", options.host, "--port", str(options.port)]
    environment = {**bentoml_environment(settings.bento_home), **_service_settings()}
    os.execve(sys.executable, [*serve, *address], environment)  # noqa: S606


def _service_settings() -> dict[str, str]:
    """What is set for the service itself."""
    variables = ServiceSettings.variables().values()
    return {name: os.environ[name] for name in variables if name in os.environ}
