"""Fitted estimators out of verified bytes: xgboost's UBJSON and skops files, never a pickle."""

import re
from dataclasses import dataclass
from typing import Any, Protocol, Self
from zipfile import BadZipFile

import numpy as np
import xgboost
from numpy.typing import NDArray

from serving.runtime.errors import ModelFileError
from serving.runtime.files import BOOSTER_FILE, SKOPS_FILE

FEW_ROWS = 256

TRUSTED_TYPES = (
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
)
"""What a skops file may hold beyond skops' own list: the data of scikit-learn's estimators."""


class Estimator(Protocol):
    """What a model asks of its fitted estimator."""

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        """Outputs (n, k), or (n,) when there is one, for contiguous ``features`` (n, p)."""

    def importance(self) -> NDArray[np.float64] | None:
        """Share (p,) of each feature in what the estimator learnt; None where it can't tell."""


@dataclass(frozen=True)
class BoosterEstimator:
    """Boosted trees of xgboost.

    Attributes:
        one: For a few rows, on the calling thread: waking others takes longer than the work.
        many: For many rows, on all threads.
    """

    one: xgboost.Booster
    many: xgboost.Booster

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The estimator in a ``model.ubj``.

        Raises:
            ModelFileError: The content is not a model of xgboost.
        """
        return cls(_load_booster(content, threads=1), _load_booster(content, threads=0))

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        """See :class:`Estimator`."""
        booster = self.one if len(features) <= FEW_ROWS else self.many
        found: NDArray[np.float32] = booster.inplace_predict(features, validate_features=False)
        return found

    def importance(self) -> NDArray[np.float64]:
        """Share of each feature in the gain of all splits."""
        gains = np.zeros(self.one.num_features())
        for name, gain in self.one.get_score(importance_type="total_gain").items():
            gains[int(name.removeprefix("f"))] = gain
        return np.asarray(gains / (gains.sum() or 1.0))


def _load_booster(content: bytes, *, threads: int) -> xgboost.Booster:
    if not content:  # xgboost 3.2 ends the process on it
        raise ModelFileError(f"{BOOSTER_FILE} is empty; fetch the model again")
    booster = xgboost.Booster({"nthread": threads, "device": "cpu"})
    try:
        booster.load_model(bytearray(content))
    except (xgboost.core.XGBoostError, UnicodeDecodeError) as error:
        reason = re.sub(r"^\[.*?\] \S+ ", "", str(error)).splitlines()[0]
        raise ModelFileError(
            f"{BOOSTER_FILE} is not a model of xgboost {xgboost.__version__} ({reason}); "
            "fetch the model again"
        ) from error
    return booster


@dataclass(frozen=True)
class SklearnEstimator:
    """An estimator with scikit-learn's interface.

    Attributes:
        estimator: The fitted estimator.
        is_classifier: Whether its probabilities are asked for instead of its values.
    """

    estimator: Any
    is_classifier: bool

    @classmethod
    def from_bytes(cls, content: bytes, *, is_classifier: bool) -> Self:
        """The estimator in a ``model.skops``.

        Raises:
            ModelFileError: The content is not a skops file, or holds a type that is not trusted.
        """
        try:
            import skops.io  # noqa: PLC0415  most services do without scikit-learn

            estimator = skops.io.loads(content, trusted=list(TRUSTED_TYPES))
        except (BadZipFile, ImportError, KeyError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"{SKOPS_FILE} can't be loaded: {error}; it must be a file of skops with "
                "scikit-learn's types only, and skops and scikit-learn must be installed"
            ) from error
        return cls(estimator, is_classifier)

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        """See :class:`Estimator`.

        Sums in float32 depend on the number of rows in the seventh digit, those in float64 in the
        sixteenth: a row's prediction is as good as the same alone and among a million.
        """
        ask = self.estimator.predict_proba if self.is_classifier else self.estimator.predict
        return np.asarray(ask(features.astype(np.float64)))

    def importance(self) -> NDArray[np.float64] | None:
        """The estimator's ``feature_importances_``, if it has them."""
        found = getattr(self.estimator, "feature_importances_", None)
        return None if found is None else np.asarray(found, dtype=np.float64)
