"""The feature table: one row of features for each entity and event time."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml_assets.core.dataset.frames import entity_codes, utc_times
from ml_assets.core.errors import DataError
from ml_assets.core.features.keys import row_keys, with_keys
from ml_assets.core.names import EVENT_TIMESTAMP
from ml_assets.core.spec import PipelineSpec
from serving.runtime.feature_store import JOIN_KEY
from serving.runtime.features import compute_features, latest_features
from serving.runtime.history import Series, regularise
from serving.runtime.spec import ForecastSpec

Compute = Callable[..., NDArray[np.float32]]
"""The feature maths, with the signature of `compute_features`."""
ONLY_SERIES = "series"
"""How the one series of a table without an entity column is called."""
LEAK_ENTITIES = 10
"""Entities at most whose rows are recomputed to look for the future in them."""


def entity_rows(dataset: pd.DataFrame, spec: PipelineSpec) -> dict[str, slice]:
    """The rows of each entity of a validated dataset, in the entities' order."""
    codes, names = entity_codes(dataset, spec.columns.entity)
    edges = np.searchsorted(codes, np.arange(len(names) + 1))
    return {
        name or ONLY_SERIES: slice(int(first), int(last))
        for name, (first, last) in zip(names, pairwise(edges), strict=True)
    }


def reading_times(dataset: pd.DataFrame, column: str) -> NDArray[np.datetime64]:
    """The time of each row of the dataset as the features know it, (n,) datetime64[s] in UTC."""
    return utc_times(dataset, column).astype("datetime64[s]")


def series_of(dataset: pd.DataFrame, spec: PipelineSpec, *, fill_gaps: bool = True) -> list[Series]:
    """One regular series for each entity of a validated dataset, in the entities' order.

    Features are computed with short gaps filled. Labels are what was really read: without
    ``fill_gaps`` a missing reading stays missing.
    """
    forecast, timestamp = _forecast_of(spec)
    max_gap = forecast.max_gap if fill_gaps else 0
    times = reading_times(dataset, timestamp)
    values = dataset[list(spec.columns.numeric)]
    return [
        regularise(
            times[rows],
            values.iloc[rows].to_numpy(np.float64),
            forecast=forecast.model_copy(update={"max_gap": max_gap}),
            entity=entity,
        )
        for entity, rows in entity_rows(dataset, spec).items()
    ]


def _forecast_of(spec: PipelineSpec) -> tuple[ForecastSpec, str]:
    """The forecast's settings and the name of the timestamps' column."""
    if spec.forecast is None or spec.columns.timestamp is None:
        raise DataError(f"model {spec.name!r} is no forecast")
    return spec.forecast, spec.columns.timestamp


def feature_table(dataset: pd.DataFrame, spec: PipelineSpec) -> pd.DataFrame:
    """Features of every row of the dataset that has all of them.

    Returns:
        Columns ``entity``, ``event_timestamp`` and the features (float32). The entity of a row of
        a table without times is its number in the dataset.
    """
    if spec.task != "forecast":
        inputs = dataset[spec.columns.inputs].astype(np.float32).reset_index(drop=True)
        complete = inputs.notna().all(axis=1)
        rows = pd.concat([row_keys(len(dataset)), inputs], axis=1)
        return rows[complete].reset_index(drop=True)
    return pd.concat(
        [series_features(one, spec, compute=compute_features) for one in series_of(dataset, spec)],
        ignore_index=True,
    )


def series_features(series: Series, spec: PipelineSpec, *, compute: Compute) -> pd.DataFrame:
    """The rows of one entity that have all features, by the feature maths ``compute``."""
    features = compute(series, columns=spec.columns.numeric, spec=spec.features)
    complete = np.isfinite(features).all(axis=1)
    frame = pd.DataFrame(features[complete], columns=list(spec.feature_names))
    return with_keys(frame, entity=series.entity, timestamps=series.timestamps[complete])


def future_leaks(
    dataset: pd.DataFrame, table: pd.DataFrame, spec: PipelineSpec, *, samples: int = 20
) -> list[tuple[str, str]]:
    """Features of the table that are others when the readings after their row are not known yet.

    The raw readings up to the time of a row are put on a grid, filled and turned into features
    anew, as a service would do at that time.

    Args:
        dataset: The validated dataset.
        table: Its feature table.
        spec: The model, a forecast.
        samples: Rows that are recomputed for each of at most 10 entities. Half of them are rows
            of filled gaps where there are any, and all are evenly spread.

    Returns:
        Pairs of entity and feature name; empty when no feature sees the future.
    """
    codes, names = entity_codes(table, JOIN_KEY)
    known = entity_rows(dataset, spec)
    pairs: list[tuple[str, str]] = []
    for code in _evenly(np.arange(len(names)), LEAK_ENTITIES):
        rows = table.iloc[np.flatnonzero(codes == code)]
        history = dataset.iloc[known.get(names[code], slice(0))]
        changed = _changed_features(rows, history, spec, samples)
        pairs += [(names[code], spec.feature_names[column]) for column in np.flatnonzero(changed)]
    return pairs


def _evenly(values: NDArray[Any], count: int) -> NDArray[Any]:
    """At most ``count`` of the values, the first and the last among them."""
    wanted = min(count, len(values))
    return values[np.linspace(0, len(values) - 1, wanted).round().astype(np.intp)]


def _changed_features(
    rows: pd.DataFrame, history: pd.DataFrame, spec: PipelineSpec, samples: int
) -> NDArray[np.bool_]:
    """(p,) whether a feature of one entity's rows is another one without the later readings."""
    forecast, timestamp = _forecast_of(spec)
    times = reading_times(history, timestamp)
    values = history[list(spec.columns.numeric)].to_numpy(np.float64)
    stored = rows[list(spec.feature_names)]
    origins = reading_times(rows, EVENT_TIMESTAMP)
    changed = np.zeros(stored.shape[1], dtype=bool)
    for row in _sampled(origins, times[np.isfinite(values).all(axis=1)], samples):
        past = _past(times, values, origins[row], forecast=forecast, entity=rows[JOIN_KEY].iloc[0])
        alone = latest_features(past, columns=spec.columns.numeric, spec=spec.features)
        changed |= ~np.isclose(stored.iloc[row], alone, rtol=0, atol=0, equal_nan=True)
    return changed


def _sampled(
    origins: NDArray[np.datetime64], read: NDArray[np.datetime64], samples: int
) -> NDArray[np.intp]:
    """Rows to recompute: some where readings were filled in, the others from all rows."""
    filled = _evenly(np.flatnonzero(~np.isin(origins, read)), samples // 2)
    return np.union1d(filled, _evenly(np.arange(len(origins)), samples - len(filled)))


def _past(
    times: NDArray[np.datetime64],
    values: NDArray[np.float64],
    origin: np.datetime64,
    *,
    forecast: ForecastSpec,
    entity: str,
) -> Series:
    """The series that ends at ``origin``, out of the readings that were there by then."""
    before = (forecast.lookback - 1 + forecast.max_gap) * forecast.step_delta
    first, last = np.searchsorted(times, origin - before), np.searchsorted(times, origin, "right")
    times, values = times[first:last], values[first:last]
    if len(times) == 0 or times[-1] != origin:
        times, nothing = np.append(times, origin), np.full((1, values.shape[1]), np.nan)
        values = np.concatenate([values, nothing])
    return regularise(times, values, forecast=forecast, entity=entity)
