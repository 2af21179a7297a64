"""A request that a model answers, made of what its manifest says and of nobody's data."""

import numpy as np

from serving.runtime.manifest import ModelManifest
from serving.runtime.request import Columns
from serving.runtime.spec import ForecastSpec

START = np.datetime64("2024-01-01T00:00:00")
ENTITY = "1"


def example_columns(manifest: ModelManifest) -> Columns:
    """One history of just the lookback, or one row, with numbers from the ranges of the training.

    Each column swings once a day between the quarters of its range.
    """
    if manifest.forecast is None:
        return {name: [_middle(manifest, name)] for name in manifest.feature_names}
    return _history(manifest, forecast=manifest.forecast)


def _history(manifest: ModelManifest, *, forecast: ForecastSpec) -> Columns:
    times = START + np.arange(forecast.lookback) * forecast.step_delta
    seconds = (times - START).astype(np.int64)
    wave = np.sin(2 * np.pi * seconds / 86_400)
    timestamps = [f"{time}Z" for time in np.datetime_as_string(times, unit="s")]
    data: dict[str, list[object]] = {manifest.timestamp_column: [*timestamps]}
    if manifest.columns.entity:
        data[manifest.columns.entity] = [ENTITY] * forecast.lookback
    for name in manifest.columns.numeric:
        lowest, highest = _range(manifest, name)
        values = (lowest + highest) / 2 + wave * (highest - lowest) / 4
        data[name] = [_rounded(value, lowest, highest) for value in values]
    return data


def _range(manifest: ModelManifest, name: str) -> tuple[float, float]:
    return manifest.input_ranges.get(name, (0.0, 1.0))


def _middle(manifest: ModelManifest, name: str) -> float:
    lowest, highest = _range(manifest, name)
    return _rounded((lowest + highest) / 2, lowest, highest)


def _rounded(value: float, lowest: float, highest: float) -> float:
    """The number with as few digits as a person would write, within the range."""
    return min(max(float(f"{value:.4g}"), lowest), highest)
