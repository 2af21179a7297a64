"""What MLflow calls to load a registered model; it needs neither MLflow nor pandas itself."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from serving.runtime.model import Model
from serving.runtime.predict import EntityForecast, predict_columns

if TYPE_CHECKING:
    from pandas import DataFrame


class PyfuncModel:
    """The model behind MLflow's `predict`: a data frame in, an array out."""

    def __init__(self, model: Model) -> None:
        """Wraps a loaded model."""
        self._model = model

    def predict(
        self,
        model_input: "DataFrame",
        params: object = None,  # noqa: ARG002  part of MLflow's protocol
    ) -> NDArray[np.generic]:
        """Answers the rows of a request.

        Returns:
            (entities, horizon) forecasts in the target's unit, (n,) numbers, or (n,) class names.

        Raises:
            RequestError: The rows are wrong; the message names the column and the row.
        """
        columns = {str(name): _plain(column.tolist()) for name, column in model_input.items()}
        found = predict_columns(self._model, columns).predictions
        return np.array([one.values if isinstance(one, EntityForecast) else one for one in found])


def _plain(values: list[object]) -> list[object]:
    """A column as JSON would bring it: no NaN, and times as text."""
    return [
        None if value != value else value.isoformat() if hasattr(value, "isoformat") else value  # noqa: PLR0124
        for value in values
    ]


def _load_pyfunc(path: str) -> PyfuncModel:
    """MLflow's entry point: loads the bundle at ``path``."""
    return PyfuncModel(Model.load(Path(path)))
