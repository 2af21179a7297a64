"""Any estimator with scikit-learn's interface, by its import path."""

import inspect
import logging
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import skops.io
from sklearn.metrics import log_loss, root_mean_squared_error
from skops.io.exceptions import UnsupportedTypeException

from ml_assets.core.errors import TrainingError, did_you_mean
from ml_assets.core.spec import Scalar
from ml_assets.core.training.samples import Sample
from serving.runtime.estimators import TRUSTED_TYPES, SklearnEstimator

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Learnt:
    """A fitted estimator.

    Attributes:
        content: Content of its file.
        history: Validation error after each boosting round; one number for other estimators.
        error: Validation error of what the file holds: RMSE, or log loss for classes.
    """

    content: bytes
    history: tuple[float, ...]
    error: float


def fit_estimator(
    train: Sample,
    validation: Sample,
    *,
    path: str,
    parameters: Mapping[str, Scalar],
    seed: int,
    is_classifier: bool,
) -> Learnt:
    """Fits the estimator that ``path`` names, such as ``sklearn.linear_model.Ridge``.

    Args:
        train: The rows to fit.
        validation: The rows to measure the error on.
        path: Import path of the estimator's class.
        parameters: Passed to the class; it also gets ``random_state`` if it takes one.
        seed: The random state.
        is_classifier: Whether the labels are classes.

    Returns:
        The content of a skops file, and the error.

    Raises:
        TrainingError: The class or a parameter does not exist, it refuses the data, or holds
            types that a service would not load.
    """
    cls = find_class(path)
    needed = ("fit", "predict_proba" if is_classifier else "predict")
    _check_methods(cls, path, needed)
    estimator = _create(cls, path, parameters, seed)
    _check_methods(estimator, path, needed)  # some have a method with some parameters only
    labels = train.labels.astype(np.intp) if is_classifier else train.labels
    try:
        estimator.fit(train.seen(), labels[:, 0] if labels.shape[1] == 1 else labels)
    except (TypeError, ValueError) as error:
        raise TrainingError(f"{path} can't be fitted: {error}") from error
    content = _dump(estimator, path)
    measured = _error(SklearnEstimator.from_bytes(content, is_classifier=is_classifier), validation)
    _log.info("%s: validation error %.4g", path, measured)
    return Learnt(content, (measured,), measured)


def _error(estimator: SklearnEstimator, sample: Sample) -> float:
    found = estimator.predict(sample.seen())
    if estimator.is_classifier:
        return float(log_loss(sample.labels[:, 0], found, labels=np.arange(found.shape[1])))
    return float(root_mean_squared_error(sample.labels.ravel(), found.ravel()))


def _check_methods(estimator: Any, path: str, needed: tuple[str, str]) -> None:
    missing = [name for name in needed if not hasattr(estimator, name)]
    if missing:
        raise TrainingError(
            f"{path} has no method {missing[0]!r}, which this task needs; choose another estimator "
            "or, if it depends on a parameter, set that in estimator.parameters"
        )


def _create(cls: Any, path: str, parameters: Mapping[str, Scalar], seed: int) -> Any:
    signature = inspect.signature(cls).parameters
    is_open = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in signature.values())
    unknown = [] if is_open else sorted(set(parameters) - set(signature))
    if unknown:
        hint = did_you_mean(unknown[0], signature)
        raise TrainingError(f"{path} has no parameter {unknown[0]!r}{hint}")
    seeded = {"random_state": seed} if "random_state" in signature else {}
    try:
        return cls(**{**seeded, **parameters})
    except (TypeError, ValueError) as error:
        raise TrainingError(f"{path} can't be created: {error}") from error


def find_class(path: str) -> Any:
    """The class with this import path.

    Raises:
        TrainingError: There is none; the message names what is spelt alike.
    """
    module_name, _, name = path.rpartition(".")
    if not module_name:
        raise TrainingError(
            f"estimator.type {path!r} is neither 'xgboost' nor an import path such as "
            "'sklearn.ensemble.RandomForestRegressor'"
        )
    try:
        module = import_module(module_name)
    except (ImportError, ValueError) as error:
        hint = did_you_mean(module_name, _modules_of(path.partition(".")[0]))
        raise TrainingError(
            f"estimator.type {path!r}: module {module_name!r} can't be imported ({error}){hint}"
        ) from error
    found = getattr(module, name, None)
    if not inspect.isclass(found):
        hint = did_you_mean(name, dir(module))
        raise TrainingError(f"estimator.type {path!r}: {module_name} has no class {name!r}{hint}")
    return found


def _modules_of(package: str) -> list[str]:
    try:
        search = import_module(package).__path__
    except (ImportError, ValueError, AttributeError):
        return []
    return [f"{package}.{module.name}" for module in pkgutil.iter_modules(search)]


def _dump(estimator: Any, path: str) -> bytes:
    try:
        content: bytes = skops.io.dumps(estimator)
    except UnsupportedTypeException as error:
        raise TrainingError(f"{path} can't be saved without pickle: {error}") from error
    foreign = sorted({*skops.io.get_untrusted_types(data=content)} - {*TRUSTED_TYPES})
    if foreign:
        raise TrainingError(
            f"{path} holds {foreign[0]}, which a service would not load; use an estimator of "
            "scikit-learn without functions of your own, or xgboost"
        )
    return content
