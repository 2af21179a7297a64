"""One request for forecasts from several origins, in the manners that a service takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml_assets.core.evaluation.origins import Origin, RawReadings
from ml_assets.core.histories import Rows
from serving.golden import GoldenRequest
from serving.runtime.history import Times
from serving.runtime.manifest import ModelManifest
from serving.runtime.zones import local_to_utc, utc_offsets

Spelling = Callable[[Times, str], list[str]]
"""Writes (n,) times in UTC as texts, for a model with a certain time zone."""

_INDIA = np.timedelta64(19_800, "s")


def in_utc(times: Times, _timezone: str) -> list[str]:
    """As 2016-07-01T05:00:00Z."""
    return [f"{time}Z" for time in np.datetime_as_string(times, unit="s")]


def with_offset(times: Times, _timezone: str) -> list[str]:
    """As 2016-07-01T10:30:00+05:30."""
    return [f"{time}+05:30" for time in np.datetime_as_string(times + _INDIA, unit="s")]


def local(times: Times, timezone: str) -> list[str]:
    """As 2016-07-01 07:00:00 on the clocks of the time zone, or in UTC where a time comes twice."""
    instants = times.astype(np.int64)
    clocks = instants + utc_offsets(instants, zone=timezone)
    if (local_to_utc(clocks, zone=timezone)[1] != 1).any():
        return in_utc(times, timezone)
    shown = np.datetime_as_string(clocks.astype("datetime64[s]"), unit="s").tolist()
    return [text.replace("T", " ") for text in shown]


@dataclass(frozen=True)
class Manner:
    """How a request is asked.

    Attributes:
        spelling: Writes the time stamps.
        shuffled: Whether the rows of the entities are mixed at random, each entity's own in the
            order of time; else all rows are in the order of time.
        earlier: Readings before those needed that are sent too, if there are any.
        unnamed: Whether the column of entities is left out; for requests of one entity only.
    """

    spelling: Spelling
    shuffled: bool
    earlier: int
    unnamed: bool


def ask(
    origins: Sequence[Origin],
    manner: Manner,
    *,
    readings: RawReadings,
    manifest: ModelManifest,
    random: np.random.Generator,
) -> GoldenRequest:
    """The request for these origins of different entities, with its answer.

    Args:
        origins: k of them.
        manner: How they are asked for.
        readings: What was read.
        manifest: The model that is asked.
        random: Shuffles the rows.
    """
    spans = [
        np.arange(max(one.earliest, one.rows.start - manner.earlier), one.rows.stop)
        for one in origins
    ]
    rows, owners = np.concatenate(spans), np.repeat(np.arange(len(spans)), [*map(len, spans)])
    order = _shuffled(owners, random) if manner.shuffled else _in_time(readings.times[rows])
    rows, owners = rows[order], owners[order]
    columns = manifest.columns
    times = manner.spelling(readings.times[rows], manifest.timezone)
    data: dict[str, list[object]] = {columns.timestamp or "timestamp": [*times]}
    data |= {name: _numbers(values[rows]) for name, values in readings.columns.items()}
    answers = [origins[owner].answer for owner in dict.fromkeys(owners.tolist())]
    if columns.entity is None or manner.unnamed:
        return GoldenRequest(data=data, predictions=[{**one, "entity": None} for one in answers])
    data[columns.entity] = [origins[owner].entity for owner in owners.tolist()]
    return GoldenRequest(data=data, predictions=answers)


def _in_time(times: Times) -> Rows:
    return np.argsort(times, kind="stable")


def _shuffled(owners: Rows, random: np.random.Generator) -> Rows:
    """An order at random in which the rows of each owner keep their own."""
    order = np.empty_like(owners)
    order[np.argsort(random.permutation(owners), kind="stable")] = np.arange(len(owners))
    return order


def _numbers(values: NDArray[np.float64]) -> list[object]:
    numbers = values.astype(object)
    numbers[np.isnan(values)] = None
    return [*numbers]
