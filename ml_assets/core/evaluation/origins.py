"""Which origins of the test span a service can be asked for, and what it must answer there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml_assets.core.errors import DataError
from ml_assets.core.evaluation.comparison import Predictions
from ml_assets.core.evaluation.metrics import rows_by_entity
from ml_assets.core.features.table import entity_rows, reading_times
from ml_assets.core.features.training_set import Part
from ml_assets.core.histories import Rows, history_rows
from ml_assets.core.spec import PipelineSpec
from serving.golden import ForecastAnswer
from serving.runtime.history import Times
from serving.runtime.manifest import ModelManifest
from serving.runtime.spec import ForecastSpec

GAPPY = 4
"""One origin of so many has a gap in its history, if there are such."""


@dataclass(frozen=True, eq=False)
class RawReadings:
    """What was read, one entity after the other, each in the order of time: n readings.

    Attributes:
        times: (n,) in UTC.
        columns: (n,) numbers by column, NaN where one is missing.
        entities: The rows of each entity.
        known: (n + 1,) how many readings before each row are complete.
    """

    times: Times
    columns: Mapping[str, NDArray[np.float64]]
    entities: Mapping[str, slice]
    known: NDArray[np.intp]

    @classmethod
    def of(cls, dataset: pd.DataFrame, spec: PipelineSpec, manifest: ModelManifest) -> Self:
        """The readings in a validated dataset that a request for the model holds."""
        columns = {name: dataset[name].to_numpy(np.float64) for name in manifest.columns.numeric}
        complete = np.logical_and.reduce([np.isfinite(values) for values in columns.values()])
        times = reading_times(dataset, spec.columns.timestamp or "timestamp")
        return cls(times, columns, entity_rows(dataset, spec), np.r_[0, np.cumsum(complete)])


@dataclass(frozen=True)
class Origin:
    """A time of an entity that a service can be asked to forecast from.

    Attributes:
        entity: What the readings belong to.
        rows: The readings that a request must hold.
        earliest: The first reading of the entity; a request may begin there.
        answer: What the service must answer.
    """

    entity: str
    rows: slice
    earliest: int
    answer: ForecastAnswer


def spread_origins(
    test: Part,
    predictions: Predictions,
    rows: Rows,
    *,
    readings: RawReadings,
    spec: PipelineSpec,
    manifest: ModelManifest,
    count: int,
    random: np.random.Generator,
) -> dict[str, list[Origin]]:
    """About ``count`` origins by entity, spread evenly over all entities and the test span.

    Args:
        test: The test span, n rows.
        predictions: (n, horizon) what the model predicted.
        rows: The rows of the test span to choose from.
        readings: What was read.
        spec: The YAML file that the rows were made with.
        manifest: The model's own manifest.
        count: How many origins; there may be fewer of them.
        random: Draws an origin out of each stretch of time.

    Raises:
        DataError: There is none.
    """
    forecast = _forecast_of(manifest)
    times = test.timestamps.astype("datetime64[s]")
    asked = [
        _Asked.of(entity, rows[own], times, readings, forecast)
        for entity, own in rows_by_entity(test.entities[rows]).items()
    ]
    if spec.forecast is None or spec.forecast.max_gap != forecast.max_gap:
        # The evaluation has filled gaps as the YAML file says, a service does as its model does.
        asked = [one.only(~one.gappy) for one in asked]
    asked = [one for one in asked if len(one.rows)]
    if not asked:
        raise DataError(
            f"no test row of {spec.name!r} has a reading at its time and {forecast.lookback} steps "
            "of history (forecast.lookback); give more readings"
        )
    chosen = [asked[position] for position in _spread(np.arange(len(asked)), count, random)]
    share = -(-count // len(chosen))
    return {
        one.entity: [
            _origin(one, position, times, predictions, readings, forecast)
            for position in one.spread(share, random)
        ]
        for one in chosen
    }


def _forecast_of(manifest: ModelManifest) -> ForecastSpec:
    if manifest.forecast is None:
        raise DataError(f"model {manifest.name!r} is no forecast")
    return manifest.forecast


@dataclass(frozen=True, eq=False)
class _Asked:
    """The test rows of one entity that can be asked for, m of them in the order of time.

    Attributes:
        entity: Its name.
        rows: (m,) their numbers in the test span.
        starts: (m,) the first reading of each request.
        stops: (m,) the reading after its last.
        gappy: (m,) whether a reading is missing in between.
    """

    entity: str
    rows: Rows
    starts: Rows
    stops: Rows
    gappy: NDArray[np.bool_]

    @classmethod
    def of(
        cls, entity: str, rows: Rows, times: Times, readings: RawReadings, forecast: ForecastSpec
    ) -> Self:
        """Those of the ``rows`` whose requests the service takes."""
        rows = rows[np.argsort(times[rows])]
        known = readings.entities[entity]
        starts, stops = history_rows(readings.times[known], times[rows], forecast)
        can_be_asked = starts < stops
        starts, stops = (known.start + ends[can_be_asked] for ends in (starts, stops))
        steps = (readings.times[stops - 1] - readings.times[starts]) // forecast.step_delta + 1
        gappy = readings.known[stops] - readings.known[starts] < steps
        return cls(entity, rows[can_be_asked], starts, stops, gappy)

    def only(self, chosen: NDArray[np.bool_]) -> "_Asked":
        """Some of them."""
        rows, starts, stops = (own[chosen] for own in (self.rows, self.starts, self.stops))
        return _Asked(self.entity, rows, starts, stops, self.gappy[chosen])

    def spread(self, count: int, random: np.random.Generator) -> Rows:
        """Positions of at most ``count`` of them, a share of them with a gap in their history."""
        gappy = _spread(np.flatnonzero(self.gappy), count // GAPPY, random)
        rest = np.setdiff1d(np.arange(len(self.rows)), gappy)
        return np.union1d(gappy, _spread(rest, count - len(gappy), random))


def _spread(values: Rows, count: int, random: np.random.Generator) -> Rows:
    """At most ``count`` of the values: one at random out of each of as many equal stretches."""
    if len(values) <= count:
        return values
    stretches = (np.arange(count) + random.random(count)) * (len(values) / max(count, 1))
    return values[stretches.astype(np.intp)]


def _origin(
    asked: _Asked,
    position: int,
    times: Times,
    predictions: Predictions,
    readings: RawReadings,
    forecast: ForecastSpec,
) -> Origin:
    row = asked.rows[position]
    answered = times[row] + np.arange(forecast.horizon + 1) * forecast.step_delta
    origin, *timestamps = (f"{time}Z" for time in np.datetime_as_string(answered, unit="s"))
    return Origin(
        entity=asked.entity,
        rows=slice(int(asked.starts[position]), int(asked.stops[position])),
        earliest=readings.entities[asked.entity].start,
        answer=ForecastAnswer(
            entity=asked.entity,
            origin=origin,
            timestamps=timestamps,
            values=predictions[row].tolist(),
        ),
    )
