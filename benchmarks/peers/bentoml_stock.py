"""Stock BentoML services with a typed JSON method, on the model's files in MODEL_DIR."""

import os
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import xgboost

from serving.runtime.manifest import read_manifest
from serving.runtime.model import Model
from serving.runtime.predict import EntityForecast, predict_columns


@bentoml.service
class Rows:
    """Classifies rows with the booster alone."""

    def __init__(self) -> None:
        directory = Path(os.environ["MODEL_DIR"])
        manifest = read_manifest(directory)
        self.names, self.classes = manifest.feature_names, np.array(manifest.classes)
        self.booster = xgboost.Booster({"nthread": 1}, model_file=directory / "model.ubj")

    @bentoml.api  # type: ignore[untyped-decorator]  # BentoML has no types
    def predict(self, data: dict[str, list[float]]) -> dict[str, Any]:
        """The class of each row, and the probability of each class."""
        rows = np.array([data[name] for name in self.names], dtype=np.float32).T
        found = self.booster.inplace_predict(rows)
        return {
            "predictions": self.classes[found.argmax(axis=1)].tolist(),
            "probabilities": dict(zip(self.classes.tolist(), found.T.tolist(), strict=True)),
        }


@bentoml.service
class Forecasts:
    """Forecasts from histories; the maths of the features is the project's."""

    def __init__(self) -> None:
        self.model = Model.load(Path(os.environ["MODEL_DIR"]))

    @bentoml.api  # type: ignore[untyped-decorator]
    def predict(self, data: dict[str, list[str | float | None]]) -> dict[str, Any]:
        """The forecast of each entity."""
        found = predict_columns(self.model, data).predictions
        return {"predictions": [vars(one) for one in found if isinstance(one, EntityForecast)]}
