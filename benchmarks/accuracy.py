"""Accuracy on ETTh1 with the published protocol, through the pipeline's own phases.

The protocol (Zhou et al., "Informer", AAAI 2021): 12 months of training, 4 of validation, 4 of
test, which is 8,640, 2,880 and 2,880 hours; every origin whose 24 hours lie in the span; errors on
the oil temperature, scaled by the mean and the standard deviation of the training hours. Rows after
these 14,400 hours are in no span.

The file is not part of the project: it is looked for in `ML_ASSETS_ETTH1`, then beside it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.phases import PHASES, Place, evaluation, shipped_spec
from ml_assets.components.inputs import load_data, load_series
from ml_assets.core.evaluation.baselines import training_scale
from ml_assets.core.evaluation.metrics import forecast_metrics
from serving.runtime.model import Model

SPLIT = {"train": 8640, "validation": 2880, "test": 2880}
LIMIT, AIM = 0.028, 0.026
"""Highest `test_mse_scaled` that is good enough, and the one that we aim for."""
SHA256 = "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"
PUBLISHED: Mapping[str, float] = {
    "published: last value repeated": 0.0343,
    "published: ridge on 168 values": 0.0263,
    "published: XGBoost, 24 outputs": 0.0281,
}
"""Scaled MSE with this protocol, from the notes on the data that the project began with.

The ridge is in closed form; the XGBoost learns differences from the last value.
"""


@dataclass(frozen=True)
class Accuracy:
    """Scaled errors over all origins and steps.

    Attributes:
        test_mse: Of the model on the test span.
        test_mae: Its mean absolute error there.
        validation_mse: Of the model on the validation span, on which rounds and ridge were chosen.
        baselines: MSE of the naive forecasts on the test span, by name.
        origins: Origins of the test span.
    """

    test_mse: float
    test_mae: float
    validation_mse: float
    baselines: Mapping[str, float]
    origins: int


def etth1_path() -> Path | None:
    """Where the readings are, or None where they are missing."""
    beside = Path(__file__).parents[2] / "shared" / "data" / "ETTh1.csv"
    path = Path(os.environ.get("ML_ASSETS_ETTH1", beside))
    return path if path.exists() else None


def measure(path: Path) -> Accuracy:
    """Runs all phases on the readings in ``path`` and measures the model.

    Raises:
        SourceError: The file is another one than the protocol's.
    """
    with TemporaryDirectory() as home:
        spec = shipped_spec(source=str(path), split=SPLIT)
        source = spec.source.model_copy(update={"sha256": SHA256})
        place = Place(Path(home), spec.model_copy(update={"source": source}))
        for name in ("dataset", "features", "training_set", "fit"):
            PHASES[name](place)
        measured = evaluation(place).evaluation
        return Accuracy(
            test_mse=measured.metrics["test_mse_scaled"],
            test_mae=measured.metrics["test_mae_scaled"],
            validation_mse=_validation_mse(place),
            baselines={
                name: scores["test_mse_scaled"] for name, scores in measured.baselines.items()
            },
            origins=measured.rows.compared,
        )


def _validation_mse(place: Place) -> float:
    spec, data = place.spec, load_data(place.spec, place.storage)
    if spec.forecast is None:
        raise ValueError(f"{spec.name} is no forecast")
    series = load_series(spec, place.storage)
    scale = training_scale(data.part("train"), series, forecast=spec.forecast)
    part = data.part("validation")
    predictions = Model.load(place.bundle).predict(part.features)
    return forecast_metrics(part.labels, predictions, scale=scale)["test_mse_scaled"]
