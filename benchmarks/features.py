"""Feature maths beside pandas' groupby-rolling: the same 20 features of the same rows, on one core.

Run it with ``python -m benchmarks.features [--rows 1000000] [--entities 10]``.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.runtime.features import compute_features, latest_features
from serving.runtime.history import Series
from serving.runtime.spec import FeatureSpec

LAGS = [0, 1, 2, 3, 24, 48, 72, 168]
WINDOWS = [24, 72, 168]
STATISTICS = ["mean", "std", "min", "max"]
COLUMN = "OT"
SPEC = FeatureSpec.model_validate(
    {
        "columns": {
            COLUMN: {
                "lags": LAGS,
                "rolling": [{"window": window, "statistics": STATISTICS} for window in WINDOWS],
            }
        }
    }
)
SERVED_COLUMNS = ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "ambient", COLUMN]
SERVED = FeatureSpec.model_validate(
    {
        "columns": {
            **{
                name: {"lags": [0, 1, 24], "rolling": [{"window": 24, "statistics": ["mean"]}]}
                for name in SERVED_COLUMNS[:-1]
            },
            COLUMN: {
                "lags": LAGS[:-1],
                "differences": [1, 24],
                "rolling": [{"window": window, "statistics": STATISTICS} for window in WINDOWS],
            },
        },
        "calendar": ["hour_of_day", "day_of_week", "day_of_year"],
        "timezone": "Europe/Berlin",
    }
)

Features = NDArray[np.float32]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Comparison:
    """One measurement; times in seconds, the best of several where there are several."""

    rows: int
    entities: int
    features: int
    ours_s: float
    pandas_s: float
    largest_difference: float
    window_s: float
    window_features: int

    @property
    def rows_per_second(self) -> float:
        """Rows of all features that we compute in a second."""
        return self.rows / self.ours_s

    @property
    def pandas_rows_per_second(self) -> float:
        """Rows of all features that pandas computes in a second."""
        return self.rows / self.pandas_s

    @property
    def ratio(self) -> float:
        """How many times as fast as pandas we are."""
        return self.pandas_s / self.ours_s


def measure(rows: int = 1_000_000, *, entities: int = 10, repeats: int = 5) -> Comparison:
    """Computes the features of ``rows`` rows in all, with our code and with pandas, and times both.

    Args:
        rows: Rows of all entities together; rounded down to a multiple of the entities.
        entities: How many series the rows are split into.
        repeats: How often our code runs; pandas, many times slower, runs once.
    """
    histories = make_histories(rows // entities, entities=entities)
    window = make_window()
    with one_core():
        ours_s, ours = best_time(lambda: compute_ours(histories), repeats=repeats)
        frame = as_frame(histories)
        pandas_s, theirs = best_time(lambda: compute_with_pandas(frame), repeats=1)
        window_s, row = best_time(
            lambda: latest_features(window, columns=SERVED_COLUMNS, spec=SERVED), repeats=200
        )
    return Comparison(
        rows=len(theirs),
        entities=entities,
        features=theirs.shape[1],
        ours_s=ours_s,
        pandas_s=pandas_s,
        largest_difference=largest_difference(np.concatenate(ours), theirs),
        window_s=window_s,
        window_features=len(row),
    )


def make_histories(rows: int, *, entities: int) -> list[Series]:
    """Hourly random walks around 20, one column for each entity."""
    rng = np.random.default_rng(7)
    timestamps = np.datetime64("2016-07-01", "s") + np.arange(rows) * np.timedelta64(1, "h")
    return [
        Series(str(entity), timestamps, 20 + rng.normal(size=(rows, 1)).cumsum(axis=0) * 0.1)
        for entity in range(entities)
    ]


def make_window() -> Series:
    """A week of hourly readings of eight columns, as in one request to the service."""
    timestamps = np.datetime64("2016-07-01", "s") + np.arange(168) * np.timedelta64(1, "h")
    values = np.random.default_rng(7).normal(20, 5, (168, len(SERVED_COLUMNS)))
    return Series("1", timestamps, values)


def compute_ours(histories: list[Series]) -> list[Features]:
    """All features of each entity, (n, 20)."""
    return [compute_features(series, columns=[COLUMN], spec=SPEC) for series in histories]


def as_frame(histories: list[Series]) -> pd.DataFrame:
    """The histories below each other, with the entity in a column."""
    names = [series.entity for series in histories]
    entities = np.repeat(names, [len(series.timestamps) for series in histories])
    values = np.concatenate([series.values[:, 0] for series in histories])
    return pd.DataFrame({"entity": pd.Categorical(entities), COLUMN: values})


def compute_with_pandas(frame: pd.DataFrame) -> Features:
    """The same features with pandas' groupby, (rows, 20)."""
    column = frame.groupby("entity", sort=False, observed=True)[COLUMN]
    features = [column.shift(lag).to_numpy() for lag in LAGS]
    for window in WINDOWS:
        rolling = column.rolling(window)
        features += [rolling.agg(name).to_numpy() for name in STATISTICS]
    return np.stack(features, axis=1).astype(np.float32)


def largest_difference(ours: Features, theirs: Features) -> float:
    """The largest absolute difference; infinite if one has a number where the other has none."""
    if not np.array_equal(np.isnan(ours), np.isnan(theirs)):
        return np.inf
    return float(np.nanmax(np.abs(ours - theirs), initial=0))


def best_time(run: Callable[[], Result], *, repeats: int) -> tuple[float, Result]:
    """Shortest time in seconds, and what the last call returned."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - begin)
    return min(times), result


@contextmanager
def one_core() -> Iterator[None]:
    """Holds this process to one core, where the system allows it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def report(result: Comparison) -> str:
    """The table that the benchmark prints."""
    heading = (
        f"{result.features} lag and rolling features, {result.rows:,} rows, "
        f"{result.entities} entities, one core"
    )
    lines = [
        ("", "seconds", "million rows/s"),
        ("compute_features", f"{result.ours_s:.3f}", f"{result.rows_per_second / 1e6:.2f}"),
        ("pandas", f"{result.pandas_s:.3f}", f"{result.pandas_rows_per_second / 1e6:.2f}"),
    ]
    table = "\n".join(f"{name:<18}{seconds:>10}{speed:>17}" for name, seconds, speed in lines)
    return (
        f"{heading}\n{table}\n"
        f"{result.ratio:.0f} times as fast; largest difference {result.largest_difference:.1e}\n"
        f"one window of 168 rows x {len(SERVED_COLUMNS)} columns, "
        f"{result.window_features} features: {result.window_s * 1e6:.0f} µs"
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--entities", type=int, default=10)
    arguments = parser.parse_args()
    print(report(measure(arguments.rows, entities=arguments.entities)))


if __name__ == "__main__":
    main()
