"""Features from the store, judged, as a question to the model.

A feature row counts for the asked time if a point-in-time join at that time would take it: it is
not later, and not older than its time to live. The store has the latest row of an entity only, so
that no earlier one can stand in for it.
"""

import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from serving.runtime.errors import Problem, RequestError
from serving.runtime.feature_store import STEPS_TO_LIVE, seconds_to_live
from serving.runtime.manifest import ModelManifest
from serving.runtime.model import Model
from serving.runtime.online_request import ENTITIES, OnlineRequest
from serving.runtime.online_store import NOT_FOUND, TOO_OLD, OnlineRows
from serving.runtime.predict import Question
from serving.runtime.request import LISTED

Mask = NDArray[np.bool_]
Ages = NDArray[np.int64]


class UnfitFeaturesError(RequestError):
    """Entities of which the store has no features that count for the asked time.

    Attributes:
        stale: Features that are too old.
        missing: Features without a finite number; those of unknown entities are not counted.
    """

    def __init__(self, problems: Sequence[Problem], *, stale: int, missing: int) -> None:
        super().__init__(*problems)
        self.stale = stale
        self.missing = missing


def question_of_rows(model: Model, request: OnlineRequest, rows: OnlineRows) -> Question:
    """What the model is asked.

    How many readings of a forecast's history lie outside of the training's range is not known
    here, so the question says none.

    Args:
        model: The model that shall answer.
        request: Which entities, and for which time.
        rows: What the store says about them, with the features in the model's order.

    Raises:
        UnfitFeaturesError: An entity is unknown, or its features are too old, too new or
            incomplete; the problems tell all of that.
    """
    judgement = _Judgement(rows, request.time_point, model.manifest)
    problems = [
        Problem(f"entity {reprlib.repr(request.entities[row])} {message}", ENTITIES, row)
        for row in np.flatnonzero(judgement.is_unfit).tolist()
        for message in judgement.told(row)
    ]
    if problems:
        stale, missing = int(judgement.stale.sum()), int(judgement.missing.sum())
        raise UnfitFeaturesError(problems, stale=stale, missing=missing)
    features = rows.values.astype(np.float32, order="C")
    if model.manifest.forecast is None:
        return Question(features, outside=model.ranges.outside(rows.values))
    return Question(features, entities=request.entities, origins=rows.times[:, 0])


@dataclass(frozen=True, eq=False)
class _Judgement:
    """What is wrong with the features of n entities, p each.

    Attributes:
        rows: What the store says about them.
        time_point: The time for which they must count.
        manifest: The model that needs them.
    """

    rows: OnlineRows
    time_point: np.datetime64
    manifest: ModelManifest

    @cached_property
    def is_unfit(self) -> Mask:
        """(n,) whether the model can't be asked about an entity."""
        wrong = (self.stale | self.late | self.missing).any(axis=1)
        return np.asarray(wrong | self.unknown | self.mixed)

    @cached_property
    def found(self) -> Mask:
        """(n, p) whether the store has the feature, be it null."""
        return np.asarray(self.rows.statuses != NOT_FOUND)

    @cached_property
    def unknown(self) -> Mask:
        """(n,) whether the store has no feature of an entity."""
        return np.asarray(~self.found.any(axis=1))

    @cached_property
    def ages(self) -> Ages:
        """(n, p) seconds before the asked time, negative if later; of no use if not found."""
        return np.asarray((self.time_point - self.rows.times).astype(np.int64))

    @cached_property
    def stale(self) -> Mask:
        """(n, p) whether a feature is older than its time to live."""
        seconds = seconds_to_live(self.manifest.forecast)
        is_old = (self.ages > seconds) & (seconds > 0)
        return np.asarray(self.found & (is_old | (self.rows.statuses == TOO_OLD)))

    @cached_property
    def late(self) -> Mask:
        """(n, p) whether a feature is later than the asked time."""
        return np.asarray(self.found & (self.ages < 0))

    @cached_property
    def missing(self) -> Mask:
        """(n, p) whether a feature of a known entity has no finite number."""
        return np.asarray(np.isnan(self.rows.values) & ~self.unknown[:, None])

    @cached_property
    def mixed(self) -> Mask:
        """(n,) whether the features of a forecast, which has one origin, are of several times."""
        differ = (self.rows.times != self.rows.times[:, :1]).any(axis=1)
        return np.asarray(differ & self.found.all(axis=1) & (self.manifest.forecast is not None))

    def told(self, row: int) -> Iterator[str]:
        """What is wrong with one entity."""
        times, names = self.rows.times[row], self.manifest.feature_names
        if self.unknown[row]:
            yield "is not known to the feature store"
        if self.mixed[row]:
            yield f"has features of different times, from {times.min()}Z to {times.max()}Z"
        if self.late[row].any():
            yield (
                f"has features of {times[self.late[row]].max()}Z, later than {self.time_point}Z; "
                "the store keeps the latest ones only, so ask for that time or a later one"
            )
        if self.stale[row].any():
            yield self._too_old(times[self.stale[row]].min())
        if self.missing[row].any():
            lacking = [names[column] for column in np.flatnonzero(self.missing[row])[:LISTED]]
            yield f"has no finite number in the feature store for {', '.join(lacking)}"

    def _too_old(self, time: np.datetime64) -> str:
        forecast = self.manifest.forecast
        life = f": they count for {STEPS_TO_LIVE} steps of {forecast.step}" if forecast else ""
        return (
            f"has features of {time}Z, too old for {self.time_point}Z{life}; have newer ones "
            "written to the feature store"
        )
