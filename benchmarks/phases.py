"""The phases of a model's pipeline, one function each: what an asset does, without its server.

Dagster and MLflow are left out: what they add does not depend on the number of rows. Each phase
reads its input from the state directory and writes its output there, as the assets do.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from ml_assets.components import data_assets
from ml_assets.components.inputs import load_data, load_series
from ml_assets.core.evaluation import plots
from ml_assets.core.evaluation.comparison import Comparison, compare
from ml_assets.core.evaluation.gates import judge
from ml_assets.core.evaluation.leaks import find_leaks
from ml_assets.core.spec import PipelineSpec
from ml_assets.core.training.fitting import fit, save
from ml_assets.resources.feast import FeatureStoreResource
from ml_assets.resources.storage import Storage
from serving.runtime.model import Model

MODEL = "transformer_temperature"
YAML = Path(__file__).parents[1] / "ml_assets" / "defs" / MODEL / "defs.yaml"


@dataclass(frozen=True)
class Place:
    """A model, and the directory that its state lives in."""

    home: Path
    spec: PipelineSpec

    @property
    def storage(self) -> Storage:
        """The model's files."""
        return Storage(home=str(self.home))

    @property
    def store(self) -> FeatureStoreResource:
        """The feature store."""
        return FeatureStoreResource(home=str(self.home / "feast"))

    @property
    def bundle(self) -> Path:
        """The fitted model's directory."""
        return self.home / "bundle"


def shipped_spec(*, source: str, split: Mapping[str, float] | None = None) -> PipelineSpec:
    """The model as its YAML file describes it, with another source and, if given, split."""
    attributes = yaml.safe_load(YAML.read_text())["attributes"]
    attributes["source"]["uri"] = source
    return PipelineSpec.model_validate({**attributes, **({"split": split} if split else {})})


def dataset(place: Place) -> None:
    """Reads, validates, hashes and keeps the source, and looks through it."""
    data_assets.dataset(place.spec, place.spec.source, place.storage)


def features(place: Place) -> None:
    """Computes the feature table, keeps it, and makes it known to Feast."""
    data_assets.features(place.spec, place.storage, place.store)


def training_set(place: Place) -> None:
    """Makes the labels, joins them with the features through Feast, and keeps the result."""
    data_assets.training_set(place.spec, place.storage, place.store)


def fit_model(place: Place) -> None:
    """Fits with the YAML's parameters and writes the model."""
    fitted = fit(load_data(place.spec, place.storage), place.spec)
    save(fitted, place.bundle, data_version="", input_ranges={})


def evaluation(place: Place) -> Comparison:
    """Predicts the test span, measures, looks for leaks, judges, and draws the residuals."""
    spec, data = place.spec, load_data(place.spec, place.storage)
    series = load_series(spec, place.storage)
    compared = compare(data, spec, candidate=Model.load(place.bundle), series=series)
    judge(compared.evaluation, find_leaks(data, spec, series=series), gates=spec.gates)
    plots.to_png(plots.residuals(data.part("test"), compared.predictions["candidate"], spec=spec))
    return compared


def online_features(place: Place) -> None:
    """Writes the latest features of each entity to the online store."""
    data_assets.online_features(place.spec, place.storage, place.store)


def _evaluation(place: Place) -> None:
    evaluation(place)


PHASES: Mapping[str, Callable[[Place], None]] = {
    "dataset": dataset,
    "features": features,
    "training_set": training_set,
    "fit": fit_model,
    "evaluation": _evaluation,
    "online_features": online_features,
}
"""The phases in their order; each needs those before it."""
