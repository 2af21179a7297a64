"""Optuna's side of a search: the stored study, its name, its trials, and the space.

Trials are kept in an SQLite file, which stays whole when the process is killed; Optuna's journal
file is faster, but a line that is cut short makes it unreadable.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import URL

from ml_assets.core.errors import TrainingError
from ml_assets.core.spec import Dimension, PipelineSpec, Scalar
from serving.runtime.spec import FrozenModel, Task

REPORT_EVERY = 10
STARTUP_TRIALS = 5
LOCK_SECONDS = 60
METRICS: Mapping[Task, str] = {
    "forecast": "validation_rmse",
    "regression": "validation_rmse",
    "classification": "validation_log_loss",
}


class TrialRecord(FrozenModel):
    """One set of parameters and what came of it.

    Attributes:
        number: Place in the search, from 0.
        state: ``complete``, or ``pruned`` when it was stopped early or its error is not finite.
        value: Validation error; None for a pruned trial.
        parameters: The values that were tried, by name.
        seconds: Time that the fit took.
    """

    number: int
    state: Literal["complete", "pruned"]
    value: float | None
    parameters: dict[str, Scalar]
    seconds: float

    @property
    def outcome(self) -> str:
        """The validation error, or that there is none."""
        return "pruned" if self.value is None else f"{self.value:.5g}"


class TuningResult(FrozenModel):
    """What a search found.

    Attributes:
        study: Name of the study in the storage; it changes with the data and with the YAML.
        metric: What was minimised on the validation span.
        best_parameters: Parameters of the best trial, for ``fit(..., parameters=...)``.
        best_value: Its validation error.
        default_value: Validation error of the YAML's own parameters.
        trials: All trials that are done, in order.
        resumed: How many of them an earlier run had done.
        importances: Share of each parameter in the error's variance (fANOVA); empty with too few
            complete trials.
    """

    study: str
    metric: str
    best_parameters: dict[str, Scalar]
    best_value: float
    default_value: float
    trials: list[TrialRecord]
    resumed: int
    importances: dict[str, float]


def study_name(spec: PipelineSpec, *, data_version: str) -> str:
    """The model's name and a digest of all that makes trials comparable: settings and data."""
    text = spec.search_settings + data_version
    return f"{spec.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def open_study(storage_path: Path, spec: PipelineSpec, *, name: str) -> optuna.Study:
    """The study called ``name``, new or as it was left; trials that were killed are closed."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage_path.parent.mkdir(parents=True, exist_ok=True)
    url = URL.create("sqlite", database=str(storage_path)).render_as_string()
    engine = {"connect_args": {"timeout": LOCK_SECONDS}}
    study = optuna.create_study(
        storage=optuna.storages.RDBStorage(url, engine_kwargs=engine),
        study_name=name,
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=STARTUP_TRIALS,
            n_warmup_steps=spec.estimator.rounds // 5,
            interval_steps=REPORT_EVERY,
        ),
    )
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def distribution(name: str, dimension: Dimension) -> BaseDistribution:
    """Optuna's form of one dimension of the space.

    Raises:
        TrainingError: The range can't be searched, such as a logarithmic one from 0.
    """
    try:
        if dimension.low is None or dimension.high is None:
            return CategoricalDistribution(dimension.choices)
        if dimension.integer:
            return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
    except ValueError as error:
        raise TrainingError(f"tuning.space.{name}: {error}") from error


def done_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that are complete or pruned, in the order of their numbers."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def sampler(*, seed: int, trial: int, parallel: bool) -> optuna.samplers.BaseSampler:
    """The sampler of one trial, which depends on its place only and on the trials before it."""
    state = np.random.SeedSequence((seed, trial)).generate_state(1)
    return optuna.samplers.TPESampler(
        seed=int(state[0]), n_startup_trials=STARTUP_TRIALS, constant_liar=parallel
    )


def importances(study: optuna.Study, names: Iterable[str]) -> dict[str, float]:
    """Share of each parameter in the error's variance (fANOVA), the largest first.

    Empty where fewer than five trials are complete, or all have the same error.
    """
    wanted = list(names)
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    values = [trial.value for trial in complete if set(wanted) <= set(trial.params)]
    if len(values) < STARTUP_TRIALS or len(set(values)) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return optuna.importance.get_param_importances(study, evaluator=evaluator, params=wanted)
