"""The search for better parameters on the validation span, seeded and resumable.

Every trial draws from a generator seeded by the number of trials before it. So a search that was
stopped and taken up again finds the same trials as one that was not (with one trial at a time).
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from ml_assets.core.errors import StateError, TrainingError
from ml_assets.core.features.training_set import TrainingSet
from ml_assets.core.spec import Dimension, PipelineSpec, Scalar
from ml_assets.core.training.fitting import fit
from ml_assets.core.training.study import (
    METRICS,
    REPORT_EVERY,
    TrialRecord,
    TuningResult,
    distribution,
    done_trials,
    importances,
    open_study,
    sampler,
    study_name,
)

DEFAULTS = "defaults"
SECONDS = "seconds"

_log = logging.getLogger(__name__)


OnTrial = Callable[[TrialRecord], None]


def tune(
    data: TrainingSet,
    spec: PipelineSpec,
    *,
    storage_path: Path,
    data_version: str,
    trials: int | None = None,
    on_trial: OnTrial | None = None,
) -> TuningResult:
    """Searches ``spec.tuning.space`` for the lowest error on the validation span.

    The YAML's own parameters are the first trial, so the best is never worse than they are.
    Trials of an earlier search with the same data and settings count. Only one process may
    search in a storage at a time: a trial that is still open is taken for killed.

    Args:
        data: The training set; its test span is not looked at.
        spec: The model.
        storage_path: The SQLite file of the searches; it is made where it is missing.
        data_version: Version of the dataset; trials on another one do not count.
        trials: Trials in all, earlier ones included; ``spec.tuning.trials`` by default.
        on_trial: Called after every trial, from one thread at a time.

    Raises:
        TrainingError: The space is empty or wrong, or the estimator refuses a parameter.
        StateError: The storage can't be read or written.
    """
    space = {name: distribution(name, one) for name, one in spec.tuning.space.items()}
    if not space:
        raise TrainingError(f"{spec.name}: tuning.space is empty; name a parameter to search")
    try:
        study = open_study(storage_path, spec, name=study_name(spec, data_version=data_version))
        search = _Search(study, data, spec, space=space, on_trial=on_trial)
        resumed = search.run(trials or spec.tuning.trials)
        return _result(study, spec, resumed=resumed)
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        raise StateError(
            f"the searches in {storage_path} can't be read or written ({error}); "
            "make room, or move the file away to begin anew"
        ) from error


def own_parameters(spec: PipelineSpec) -> dict[str, Scalar]:
    """The YAML's own values of the parameters that are searched."""
    given = spec.estimator.parameters
    return {name: given[name] for name in spec.tuning.space if name in given}


def _inside(spec: PipelineSpec) -> dict[str, Scalar]:
    own = own_parameters(spec)
    space = spec.tuning.space
    return {name: value for name, value in own.items() if _is_inside(space[name], value)}


def _is_inside(dimension: Dimension, value: Scalar) -> bool:
    if dimension.low is None or dimension.high is None:
        return value in dimension.choices
    if isinstance(value, str) or (dimension.integer and value != int(value)):
        return False
    return dimension.low <= value <= dimension.high


class _Search:
    """The trials of one run, in one or several threads."""

    def __init__(
        self,
        study: optuna.Study,
        data: TrainingSet,
        spec: PipelineSpec,
        *,
        space: Mapping[str, BaseDistribution],
        on_trial: OnTrial | None,
    ) -> None:
        self._study, self._data, self._spec = study, data, spec
        self._space, self._on_trial = dict(space), on_trial
        self._started = len(done_trials(study))
        self._lock, self._stopped = threading.Lock(), threading.Event()

    def run(self, wanted: int) -> int:
        """Makes trials until there are ``wanted``; returns how many there were before."""
        before, workers = self._started, self._spec.tuning.parallel
        if before == 0:
            self._try_defaults()
        with ThreadPoolExecutor(workers) as pool:
            try:
                futures = [pool.submit(self._work, wanted) for _ in range(workers)]
                for future in as_completed(futures):
                    future.result()
            finally:
                self._stopped.set()
        return before

    def _try_defaults(self) -> None:
        began, rounds = time.monotonic(), dict[int, float]()
        error = self._error({}, lambda number, value: rounds.update({number: value}))
        if not np.isfinite(error):
            raise TrainingError(f"{self._spec.name}: the YAML's parameters give no finite error")
        inside = _inside(self._spec)
        self._study.add_trial(
            optuna.trial.create_trial(
                value=error,
                params=inside,
                distributions={name: self._space[name] for name in inside},
                intermediate_values={n: v for n, v in rounds.items() if n % REPORT_EVERY == 0},
                user_attrs={DEFAULTS: True, SECONDS: time.monotonic() - began},
            )
        )
        self._started = 1
        self._tell(self._study.get_trials(deepcopy=False)[-1])

    def _work(self, wanted: int) -> None:
        while (trial := self._ask(wanted)) is not None:
            self._attempt(trial)

    def _ask(self, wanted: int) -> Trial | None:
        with self._lock:
            if self._stopped.is_set() or self._started >= wanted:
                return None
            parallel = self._spec.tuning.parallel > 1
            seed = self._spec.estimator.seed
            self._study.sampler = sampler(seed=seed, trial=self._started, parallel=parallel)
            self._started += 1
            return self._study.ask(self._space)

    def _attempt(self, trial: Trial) -> None:
        began = time.monotonic()
        try:
            error = self._error(trial.params, self._reporter(trial))
        except optuna.TrialPruned:
            error = np.nan
        trial.set_user_attr(SECONDS, time.monotonic() - began)
        with self._lock:
            if np.isfinite(error):
                self._tell(self._study.tell(trial, error))
            else:
                self._tell(self._study.tell(trial, state=TrialState.PRUNED))

    def _reporter(self, trial: Trial) -> Callable[[int, float], None]:
        def report(number: int, value: float) -> None:
            if self._stopped.is_set():
                raise TrainingError("the search was stopped")
            if number % REPORT_EVERY == 0:
                trial.report(value, number)
                if trial.should_prune():
                    raise optuna.TrialPruned

        return report

    def _error(
        self, parameters: Mapping[str, Scalar], on_round: Callable[[int, float], None]
    ) -> float:
        fitted = fit(self._data, self._spec, parameters=parameters, on_round=on_round)
        return fitted.validation_error

    def _tell(self, trial: FrozenTrial) -> None:
        record = _record(trial, self._spec)
        _log.info("trial %d: %s, %s", record.number, record.outcome, record.parameters)
        if self._on_trial is not None:
            self._on_trial(record)


def _record(trial: FrozenTrial, spec: PipelineSpec) -> TrialRecord:
    complete = trial.state == TrialState.COMPLETE
    return TrialRecord(
        number=trial.number,
        state="complete" if complete else "pruned",
        value=trial.value if complete else None,
        parameters=own_parameters(spec) if DEFAULTS in trial.user_attrs else trial.params,
        seconds=trial.user_attrs[SECONDS],
    )


def _result(study: optuna.Study, spec: PipelineSpec, *, resumed: int) -> TuningResult:
    trials = [_record(trial, spec) for trial in done_trials(study)]
    errors = {trial.number: trial.value for trial in trials if trial.value is not None}
    best = min(errors, key=lambda number: errors[number])
    return TuningResult(
        study=study.study_name,
        metric=METRICS[spec.task],
        best_parameters=next(one.parameters for one in trials if one.number == best),
        best_value=errors[best],
        default_value=errors[trials[0].number],
        trials=trials,
        resumed=resumed,
        importances=importances(study, spec.tuning.space),
    )
