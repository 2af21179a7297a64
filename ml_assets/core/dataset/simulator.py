"""A seeded simulator of hourly transformer readings, the data of a fresh installation.

Columns as in the ETT data sets: ``date``, ``transformer``, the useful (``F``) and the useless
(``L``) load on the high, middle and low voltage side (``HUFL`` ... ``LULL``), and the oil
temperature ``OT``. `.transformer` says how weather, load and oil behave; here come
the faults, at the rates that the caller gives: hours that are absent, in outages of `OUTAGE` hours
on average, and cells that are `OUTLIER` times their column's `SPREAD` off.

Hours are UTC and taken as local time. Every kind of noise has its own random stream, so that the
readings of transformer "2" do not depend on how many there are, more days only append rows, and
the rate of one fault changes nothing else. Values are rounded to 3 decimals, which hides the last
bits in which processors differ. The same seed gives the same readings with every NumPy release
that keeps the streams of ``numpy.random.Generator``.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from ml_assets.core.dataset.frames import string_column
from ml_assets.core.dataset.transformer import READINGS, Streams, Weather, readings, weather
from ml_assets.core.errors import SourceError
from serving.runtime.errors import SpecError
from serving.runtime.spec import FrozenModel

OUTAGE = 4.0
"""Mean length of an outage in hours (geometric)."""
OUTLIER = (5.0, 10.0)
"""Distance of an outlier from the true value, in units of its column's `SPREAD`, up or down."""
SPREAD = np.array([6.0, 2.0, 6.0, 2.0, 1.0, 0.5, 9.0])
"""Standard deviation of each of `READINGS`, about."""
SENSOR_NOISE = 0.02
"""Standard deviation of the measurement, in units of its column's `SPREAD`."""
MAX_ROWS = 50_000_000
"""Most rows of one simulation; they need about 4 GB of memory."""


class Simulation(FrozenModel):
    """What is simulated: the query of ``simulated://transformers?entities=3&days=730``.

    Attributes:
        entities: Transformers.
        days: Days from the start on.
        seed: Seed of every random draw.
        start: First day.
        missing: Share of hours that have no row.
        outliers: Share of cells that are far off.
    """

    entities: Annotated[int, Field(ge=1, le=10_000)] = 3
    days: Annotated[int, Field(ge=1, le=36_525)] = 730
    seed: Annotated[int, Field(ge=0)] = 7
    start: Annotated[date, Field(ge=date(1900, 1, 1), le=date(2100, 1, 1))] = date(2016, 7, 1)
    missing: Annotated[float, Field(ge=0, le=0.5)] = 0.005
    outliers: Annotated[float, Field(ge=0, le=0.1)] = 0.001

    @model_validator(mode="after")
    def _fits_into_memory(self) -> Self:
        rows = self.entities * self.hours
        if rows > MAX_ROWS:
            raise SpecError(f"{rows:,} rows are more than {MAX_ROWS:,}; lower entities or days")
        return self

    @property
    def hours(self) -> int:
        """Hours of one transformer, absent ones included."""
        return self.days * 24

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the transformers: "1", "2", ..."""
        return tuple(str(entity) for entity in range(1, self.entities + 1))

    def streams(self, entity: int) -> Streams:
        """The random streams of one transformer, counted from 1; 0 is the weather."""
        return lambda name: np.random.default_rng([self.seed, entity, *name.encode()])


_DEFAULT = Simulation()


def parse_simulation(parameters: Mapping[str, object]) -> Simulation:
    """The simulation that the query of a ``simulated://`` URI describes.

    Raises:
        SourceError: A parameter is unknown, or its value is not allowed.
    """
    try:
        return Simulation.model_validate(dict(parameters))
    except ValidationError as error:
        first = error.errors()[0]
        name = ", ".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            reason = f"unknown parameter {name!r}"
        else:
            reason = f"{name or 'size'}: {first['msg'].removeprefix('Value error, ')}"
        allowed = ", ".join(Simulation.model_fields)
        raise SourceError(f"simulated source: {reason}; the parameters are {allowed}") from error


def simulate(
    *,
    entities: int = _DEFAULT.entities,
    days: int = _DEFAULT.days,
    seed: int = _DEFAULT.seed,
    start: date = _DEFAULT.start,
    missing: float = _DEFAULT.missing,
    outliers: float = _DEFAULT.outliers,
) -> pd.DataFrame:
    """Simulates the readings of one transformer after the other; `Simulation` has the parameters.

    Returns:
        Rows in the order of transformer, then time: ``date`` (datetime64[us, UTC], full hours),
        ``transformer`` (text), and `READINGS` (float64; loads in MW and Mvar, OT in °C).

    Raises:
        SourceError: A value is not allowed.
    """
    parameters = {"entities": entities, "days": days, "seed": seed, "start": start}
    return run(parse_simulation({**parameters, "missing": missing, "outliers": outliers}))


def run(simulation: Simulation) -> pd.DataFrame:
    """What `simulate` returns, for a simulation whose parameters have been checked."""
    times = np.datetime64(simulation.start, "us") + np.arange(simulation.hours) * 3_600_000_000
    present = [_present(simulation, entity) for entity in range(1, simulation.entities + 1)]
    sizes = np.array([mask.sum() for mask in present])
    frame = pd.DataFrame(_values(simulation, times, present), columns=list(READINGS), copy=False)
    codes = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    frame.insert(0, "transformer", string_column(codes, simulation.names))
    times = np.concatenate([times[mask] for mask in present])
    frame.insert(0, "date", pd.Series(times).dt.tz_localize("UTC"))
    return frame


def _values(
    simulation: Simulation, times: NDArray[np.datetime64], present: list[NDArray[np.bool_]]
) -> NDArray[np.float64]:
    """The readings of all transformers (n, 7), written into one array as they are made."""
    sky = weather(times, streams=simulation.streams(0))
    values = np.empty((len(READINGS), sum(mask.sum() for mask in present)))
    end = 0
    for entity, mask in enumerate(present, start=1):
        begin, end = end, end + mask.sum()
        values[:, begin:end] = _measured(simulation, sky, entity)[:, mask]
    return values.T


def _measured(simulation: Simulation, sky: Weather, entity: int) -> NDArray[np.float64]:
    """All hours of one transformer (7, hours) as its sensors see them, outliers included."""
    streams = simulation.streams(entity)
    true = readings(sky, streams=streams)
    error = SENSOR_NOISE * streams("sensors").standard_normal(true.T.shape)
    fate, distance = (
        streams("outliers").random(true.T.shape),
        streams("distance").random(true.T.shape),
    )
    hit = fate < simulation.outliers
    sign = np.where(fate < simulation.outliers / 2, -1, 1)
    error[hit] += ((OUTLIER[0] + (OUTLIER[1] - OUTLIER[0]) * distance) * sign)[hit]
    return np.asarray(np.round(true + (error * SPREAD).T, 3))


def _present(simulation: Simulation, entity: int) -> NDArray[np.bool_]:
    """Which hours (hours,) have a row.

    Outages begin at random and may overlap. All of them spare an hour with a probability of
    exp(-begins per hour * mean length), so the begins are chosen to make that 1 - missing.
    """
    streams, hours = simulation.streams(entity), simulation.hours
    begins = streams("outages").random(hours) < -np.log1p(-simulation.missing) / OUTAGE
    ends = np.arange(hours) + streams("lengths").geometric(1 / OUTAGE, hours)
    change = np.zeros(hours + 1, np.int64)
    change[:-1] += begins
    np.subtract.at(change, np.minimum(ends, hours)[begins], 1)
    return np.asarray(np.cumsum(change)[:-1] == 0)
