"""FastAPI with MLflow's pyfunc and a data frame for each request: what a user would write first."""

import os
from typing import Any

import mlflow.pyfunc
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel


class Request(BaseModel):
    """Columns of a table."""

    data: dict[str, list[Any]]


def create() -> FastAPI:
    """The application; the model is the one that MODEL_URI names."""
    model = mlflow.pyfunc.load_model(os.environ["MODEL_URI"])
    application = FastAPI()

    @application.post("/predict")
    def predict(request: Request) -> dict[str, Any]:
        return {"predictions": model.predict(pd.DataFrame(request.data)).tolist()}

    return application
