"""Gradient boosting with xgboost: parameters checked, progress told, stopped on validation."""

import ctypes
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import xgboost
from xgboost.callback import EarlyStopping, TrainingCallback

from ml_assets.core.errors import TrainingError, did_you_mean
from ml_assets.core.spec import EstimatorSpec, Scalar
from ml_assets.core.training.estimators import Learnt
from ml_assets.core.training.samples import Sample

OnRound = Callable[[int, float], None]

LOG_EVERY = 50
LABELS_PER_THREAD = 1_000_000
_OWN_FIELDS = {
    "seed": "estimator.seed",
    "random_state": "estimator.seed",
    "device": "estimator.device",
    "num_boost_round": "estimator.rounds",
    "n_estimators": "estimator.rounds",
    "early_stopping_rounds": "estimator.early_stopping_rounds",
    "num_class": "the data",
    "eval_metric": "the task",
}
_log = logging.getLogger(__name__)


def fit_booster(
    train: Sample,
    validation: Sample,
    *,
    estimator: EstimatorSpec,
    parameters: Mapping[str, Scalar],
    classes: int = 0,
    on_round: OnRound | None = None,
) -> Learnt:
    """Fits boosted trees, one for each label (or class) in every round.

    Args:
        train: The rows to fit.
        validation: The rows that early stopping watches: by RMSE, or log loss for classes.
        estimator: Rounds, early stopping, device and seed.
        parameters: Parameters of xgboost by any of its names for them.
        classes: How many classes; 0 for numbers.
        on_round: Called with each round and its validation error; what it raises ends the fit.

    Returns:
        The model as UBJSON, cut after its best round, and the errors on the way.

    Raises:
        TrainingError: A parameter is unknown or has a value that xgboost refuses, or there is no
            GPU to train on.
    """
    settings = {
        "nthread": parameters.get("n_jobs", _threads(train)),
        **_settings(estimator, parameters, classes=classes),
    }
    check_device(estimator.device)
    progress = _Progress(settings["eval_metric"], on_round)
    callbacks: list[TrainingCallback] = [progress]
    if estimator.early_stopping_rounds:
        callbacks.append(EarlyStopping(rounds=estimator.early_stopping_rounds, save_best=True))
    try:
        check_parameters(settings)
        settings = _intercept(train, settings) | settings
        booster = _train(train, validation, settings, estimator.rounds, callbacks)
    except xgboost.core.XGBoostError as error:
        raise TrainingError(f"xgboost: {_reason(error)}") from error
    # The last digits of the error depend on the number of threads; the trees do not.
    booster.set_attr(best_score=None, best_iteration=None)
    history = tuple(progress.history)
    best = min(history) if estimator.early_stopping_rounds else history[-1]
    _log.info("xgboost: %d rounds kept, validation error %.4g", booster.num_boosted_rounds(), best)
    return Learnt(bytes(booster.save_raw("ubj")), history, best)


def _settings(
    estimator: EstimatorSpec, parameters: Mapping[str, Scalar], *, classes: int
) -> dict[str, Any]:
    for name in sorted(_OWN_FIELDS.keys() & parameters.keys()):
        raise TrainingError(
            f"parameter {name!r} of xgboost comes from {_OWN_FIELDS[name]}; "
            "remove it from estimator.parameters"
        )
    task: dict[str, Any] = {"objective": "reg:squarederror", "eval_metric": "rmse"}
    if classes:
        task = {"objective": "multi:softprob", "eval_metric": "mlogloss", "num_class": classes}
    settings = {"tree_method": "hist", "max_bin": 256, **task, **parameters}
    if not str(settings["objective"]).startswith(task["objective"].partition(":")[0]):
        raise TrainingError(
            f"objective {settings['objective']!r} does not fit the task, whose objective is "
            f"{task['objective']!r}; change or remove it in estimator.parameters"
        )
    return settings | {"seed": estimator.seed, "device": estimator.device}


def _threads(train: Sample) -> int:
    """Threads that are worth waking; all get the same trees, and on a busy machine they stall."""
    return min(os.cpu_count() or 1, 1 + train.labels.size // LABELS_PER_THREAD)


def _intercept(train: Sample, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The labels' means, where xgboost would take them too, but with the threads' rounding."""
    if settings["objective"] != "reg:squarederror":
        return {}
    return {"base_score": train.labels.mean(axis=0, dtype=np.float64).tolist()}


def check_parameters(settings: Mapping[str, Any]) -> None:
    """Refuses names that xgboost does not know: it would only warn and go on without them.

    Raises:
        TrainingError: A name is unknown.
    """
    tiny = xgboost.DMatrix(np.zeros((1, 1)), label=np.zeros(1))
    with xgboost.config_context(verbosity=0):
        booster = xgboost.Booster({**settings, "device": "cpu"}, cache=[tiny])
        known = {*_leaves(json.loads(booster.save_config())), "eval_metric", "verbosity"}
    for name in sorted(settings.keys() - known):
        hint = did_you_mean(name, known)
        raise TrainingError(f"xgboost has no parameter {name!r} (estimator.parameters){hint}")


def _leaves(config: Any) -> Iterator[str]:
    """Names of the settings in xgboost's configuration, whose values are all text."""
    children = config.items() if isinstance(config, dict) else enumerate(config)
    for name, value in children:
        if isinstance(value, dict | list):
            yield from _leaves(value)
        else:
            yield str(name)


def check_device(device: str) -> None:
    """Makes sure that there is a GPU when one is asked for: xgboost would go on without it.

    Raises:
        TrainingError: The installed xgboost, or this machine, has no GPU support.
    """
    if device != "cuda":
        return
    if not xgboost.build_info()["USE_CUDA"]:
        raise TrainingError(
            "estimator.device is cuda, but the installed xgboost is the CPU build; install the "
            "lock file for GPUs (package xgboost instead of xgboost-cpu), or set device: cpu"
        )
    if visible_gpus() == 0:
        raise TrainingError(
            "estimator.device is cuda, but no GPU is visible here; run where the NVIDIA driver "
            "shows one (nvidia-smi; docker run --gpus all), or set device: cpu"
        )


def visible_gpus() -> int:
    """How many GPUs the NVIDIA driver shows to this process."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    is_ready = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    return count.value if is_ready else 0


def _train(
    train: Sample,
    validation: Sample,
    settings: Mapping[str, Any],
    rounds: int,
    callbacks: list[TrainingCallback],
) -> xgboost.Booster:
    bins, threads = settings["max_bin"], settings["nthread"]
    rows = xgboost.QuantileDMatrix(_Chunks(train), max_bin=bins, nthread=threads)
    unseen = xgboost.QuantileDMatrix(_Chunks(validation), ref=rows, max_bin=bins, nthread=threads)
    return xgboost.train(
        dict(settings),
        rows,
        num_boost_round=rounds,
        evals=[(unseen, "validation")],
        callbacks=callbacks,
        verbose_eval=False,
    )


class _Chunks(xgboost.DataIter):
    """Hands a sample to xgboost chunk by chunk."""

    def __init__(self, sample: Sample) -> None:
        super().__init__()
        self._sample = sample
        self._rest = sample.chunks()

    def next(self, input_data: Callable[..., Any]) -> bool:
        chunk = next(self._rest, None)
        if chunk is None:
            return False
        input_data(data=chunk[0], label=chunk[1])
        return True

    def reset(self) -> None:
        self._rest = self._sample.chunks()


class _Progress(TrainingCallback):
    """Keeps the validation error of each round, logs it now and then and tells the caller."""

    def __init__(self, metric: str, on_round: OnRound | None) -> None:
        self.history: list[float] = []
        self._metric = metric
        self._on_round = on_round

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
        error = float(evals_log["validation"][self._metric][-1])
        self.history.append(error)
        if epoch % LOG_EVERY == 0:
            _log.info("xgboost: round %d, validation %s %.4g", epoch, self._metric, error)
        if self._on_round is not None:
            self._on_round(epoch, error)
        return False


def _reason(error: Exception) -> str:
    """What xgboost says, in one line, without its place in the C++ code."""
    text = " ".join(str(error).partition("Stack trace:")[0].split())
    return re.sub(r"^\[[\d:]+\] \S+ ", "", text).partition(" Objective candidate")[0]
