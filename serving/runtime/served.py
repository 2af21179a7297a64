"""A model under the name and version that it was released with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from serving.runtime.model import Model
from serving.runtime.predict import Answer, EntityForecast, predict_columns
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
    def load(cls, directory: Path, *, version: str, digest: str = "") -> Self:
        """The model in a directory.

        Args:
            directory: Where its files lie.
            version: Its version in the registry.
            digest: sha256 of its manifest, if it was noted.

        Raises:
            ModelFileError: A file is missing, damaged or not the one that was recorded.
        """
        return cls(Model.load(directory, digest=digest), version)

    @property
    def identity(self) -> Mapping[str, str]:
        """Which model it is, as answers tell it."""
        return {"name": self.model.manifest.name, "version": self.version}

    @property
    def health(self) -> Mapping[str, object]:
        """Which model it is, to its last byte."""
        return {"status": "ok", "model": {**self.identity, "digest": self.model.digest}}

    def predict(self, data: Columns) -> Answer:
        """What the model says to a request's columns.

        Raises:
            RequestError: The request is wrong.
        """
        return predict_columns(self.model, data)

    def content(self, answer: Answer) -> Mapping[str, object]:
        """The JSON object that tells an answer."""
        predictions = [
            vars(prediction) if isinstance(prediction, EntityForecast) else prediction
            for prediction in answer.predictions
        ]
        content: dict[str, object] = {"model": self.identity, "predictions": predictions}
        if answer.probabilities is not None:
            content["probabilities"] = answer.probabilities
        return content

    def answer(self, data: Columns) -> Mapping[str, object]:
        """The JSON object that answers a request's columns.

        Raises:
            RequestError: The request is wrong.
        """
        return self.content(self.predict(data))
