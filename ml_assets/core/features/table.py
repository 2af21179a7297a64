"""The feature table: one row of features for each entity and event time."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from ml_assets.core.dataset.frames import entity_codes, utc_times
from ml_assets.core.errors import DataError
from ml_assets.core.features.training_set import row_keys
from ml_assets.core.names import KEYS
from ml_assets.core.spec import PipelineSpec
from serving.runtime.features import compute_features, latest_features
from serving.runtime.history import Series, regularise

ONLY_SERIES = "series"
"""How the one series of a table without an entity column is called."""


def series_of(dataset: pd.DataFrame, spec: PipelineSpec, *, fill_gaps: bool = True) -> list[Series]:
    """One regular series for each entity of a validated dataset, in the entities' order.

    Features are computed with short gaps filled. Labels are what was really read: without
    ``fill_gaps`` a missing reading stays missing.
    """
    if spec.forecast is None or spec.columns.timestamp is None:
        raise DataError(f"model {spec.name!r} is no forecast")
    max_gap = spec.forecast.max_gap if fill_gaps else 0
    codes, names = entity_codes(dataset, spec.columns.entity)
    times = utc_times(dataset, spec.columns.timestamp).astype("datetime64[s]")
    edges = np.searchsorted(codes, np.arange(len(names) + 1))
    values = dataset[list(spec.columns.numeric)]
    return [
        regularise(
            times[first:last],
            values.iloc[first:last].to_numpy(np.float64),
            forecast=spec.forecast.model_copy(update={"max_gap": max_gap}),
            entity=name or ONLY_SERIES,
        )
        for name, (first, last) in zip(names, pairwise(edges), strict=True)
    ]


def feature_table(dataset: pd.DataFrame, spec: PipelineSpec) -> pd.DataFrame:
    """Features of every row of the dataset that has all of them.

    Returns:
        Columns ``entity``, ``event_timestamp`` and the features (float32).
    """
    if spec.task != "forecast":
        inputs = dataset[spec.columns.inputs].astype(np.float32)
        return pd.concat([row_keys(len(dataset)), inputs.reset_index(drop=True)], axis=1)
    return pd.concat(
        [_features_of(one, spec) for one in series_of(dataset, spec)], ignore_index=True
    )


def _features_of(series: Series, spec: PipelineSpec) -> pd.DataFrame:
    features = compute_features(series, columns=spec.columns.numeric, spec=spec.features)
    complete = np.isfinite(features).all(axis=1)
    frame = pd.DataFrame(features[complete], columns=list(spec.feature_names))
    timestamps = series.timestamps[complete].astype("datetime64[us]")
    frame.insert(0, KEYS[0], series.entity)
    frame.insert(1, KEYS[1], pd.DatetimeIndex(timestamps, tz="UTC"))
    return frame


def future_leaks(
    series: Sequence[Series], spec: PipelineSpec, *, samples: int = 20
) -> list[tuple[str, str]]:
    """Features whose value changes when the readings after their row are cut off.

    Args:
        series: The regular series of all entities.
        spec: The model.
        samples: Rows that are recomputed for each entity, evenly spread.

    Returns:
        Pairs of entity and feature name; empty when no feature sees the future.
    """
    return [
        (one.entity, spec.feature_names[column])
        for one in series
        for column in _changed_columns(one, spec, samples)
    ]


def _changed_columns(series: Series, spec: PipelineSpec, samples: int) -> list[int]:
    whole = compute_features(series, columns=spec.columns.numeric, spec=spec.features)
    rows = np.unique(np.linspace(spec.features.reach, len(whole) - 1, samples).astype(int))
    changed = np.zeros(whole.shape[1], dtype=bool)
    for row in rows:
        past = Series(series.entity, series.timestamps[: row + 1], series.values[: row + 1])
        alone = latest_features(past, columns=spec.columns.numeric, spec=spec.features)
        changed |= ~np.equal(alone, whole[row]) & ~(np.isnan(alone) & np.isnan(whole[row]))
    return np.flatnonzero(changed).tolist()
