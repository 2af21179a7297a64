"""The servers that `benchmarks.serving` compares: how each is started, asked, and understood."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.servers import Start
from benchmarks.subjects import Case, Data, Subject
from serving.release.probe import HOST
from serving.runtime.errors import MLAssetsError
from serving.runtime.predict import Answer, EntityForecast

TOLERANCE = 1e-6
OURS = "ours"
MLFLOW = "mlflow models serve"
FASTAPI = "FastAPI with pyfunc"
BENTOML = "stock BentoML"
BARE = "bare uvicorn"


class UnequalAnswerError(MLAssetsError):
    """A server answers with other numbers than the model."""


@dataclass(frozen=True)
class Contestant:
    """A server.

    Attributes:
        name: What the table calls it.
        command: Its command line for a model, without address and port.
        environment: Its variables for a model.
        path: What answers predictions.
        body: A request with columns, as it takes them.
    """

    name: str
    command: Callable[[Subject], list[str]]
    environment: Callable[[Subject], dict[str, str]]
    path: str
    body: Callable[[Data], Mapping[str, object]]

    def request(self, case: Case) -> bytes:
        """The body of a request."""
        return json.dumps(self.body(case.data)).encode()

    def start(self, subject: Subject, *, port: int, **variables: str) -> Start:
        """How it is started."""
        address = ["--host", HOST, "--port", str(port)]
        return Start(
            [sys.executable, "-m", *self.command(subject), *address],
            {**self.environment(subject), **variables},
            self.path,
            self.request(subject.cases[0]),
        )


def _columns(data: Data) -> Mapping[str, object]:
    return {"data": data}


def _dataframe_split(data: Data) -> Mapping[str, object]:
    rows = [*zip(*data.values(), strict=True)]
    return {"dataframe_split": {"columns": [*data], "data": rows}}


def _mlflow(subject: Subject) -> list[str]:
    model = str(subject.mlflow_model)
    return ["mlflow", "models", "serve", "-m", model, "--env-manager", "local", "--workers", "1"]


def _stock_bentoml(subject: Subject) -> list[str]:
    service = "Forecasts" if subject.is_forecast else "Rows"
    return ["bentoml", "serve", f"benchmarks.peers.bentoml_stock:{service}"]


def _uvicorn(module: str, *options: str) -> Callable[[Subject], list[str]]:
    factory = ["uvicorn", "--factory", f"benchmarks.peers.{module}:create", *options]
    return lambda _: factory


def _files(subject: Subject) -> dict[str, str]:
    return {"MODEL_DIR": str(subject.bundle)}


def _uri(subject: Subject) -> dict[str, str]:
    return {"MODEL_URI": str(subject.mlflow_model)}


CONTESTANTS = (
    Contestant(
        OURS, lambda one: ["bentoml", "serve", one.bento.tag], lambda _: {}, "/predict", _columns
    ),
    Contestant(MLFLOW, _mlflow, lambda _: {}, "/invocations", _dataframe_split),
    Contestant(FASTAPI, _uvicorn("fastapi_pyfunc"), _uri, "/predict", _columns),
    Contestant(BENTOML, _stock_bentoml, _files, "/predict", _columns),
    Contestant(BARE, _uvicorn("bare", "--no-access-log"), _files, "/predict", _columns),
)


def check_answer(content: bytes, expected: Answer) -> None:
    """Checks that an answer has the model's numbers, and probabilities where it tells them.

    Raises:
        UnequalAnswerError: It has not.
    """
    answer = json.loads(content)
    _check("predictions", _told(answer["predictions"]), _told(expected.predictions))
    if expected.probabilities is not None and "probabilities" in answer:
        for name, shares in expected.probabilities.items():
            _check(f"probabilities of {name}", np.array(answer["probabilities"][name]), shares)


def _told(predictions: Any) -> NDArray[Any]:
    """Predictions as an array; a forecast may be its values alone, or stand in an object."""
    values = [
        one.values
        if isinstance(one, EntityForecast)
        else one["values"]
        if isinstance(one, dict)
        else one
        for one in predictions
    ]
    return np.array(values)


def _check(what: str, found: NDArray[Any], expected: Any) -> None:
    wanted = np.asarray(expected)
    is_number = np.issubdtype(wanted.dtype, np.number)
    if found.shape != wanted.shape or not (
        np.allclose(found, wanted, rtol=0, atol=TOLERANCE) if is_number else (found == wanted).all()
    ):
        raise UnequalAnswerError(f"{what} are {found.tolist()}, the model's {wanted.tolist()}")
