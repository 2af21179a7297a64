"""A model under the name and version that it was released with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from serving.runtime.model import Model
from serving.runtime.predict import EntityForecast, predict_columns
from serving.runtime.request import Columns


@dataclass(frozen=True)
class ServedModel:
    """The model that a service answers with.

    Attributes:
        model: The model.
        version: Its version in the registry, such as "3".
    """

    model: Model
    version: str

    @classmethod
    def load(cls, directory: Path, *, version: str) -> Self:
        """The model in a directory.

        Raises:
            ModelFileError: A file is missing, damaged or not the one that was recorded.
        """
        return cls(Model.load(directory), version)

    def answer(self, data: Columns) -> Mapping[str, object]:
        """The JSON object that answers a request's columns.

        Raises:
            RequestError: The request is wrong.
            HistoryError: The history of an entity can't be put on a regular grid.
        """
        found = predict_columns(self.model, data)
        predictions = [
            vars(prediction) if isinstance(prediction, EntityForecast) else prediction
            for prediction in found.predictions
        ]
        model = {"name": self.model.manifest.name, "version": self.version}
        answer: dict[str, object] = {"model": model, "predictions": predictions}
        if found.probabilities is not None:
            answer["probabilities"] = found.probabilities
        return answer
