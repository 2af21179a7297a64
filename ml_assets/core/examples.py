"""What a served model is told of its data: an example request, and the range of each input."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ml_assets.core.features.training_set import TrainingSet
from ml_assets.core.spec import PipelineSpec

TABLE_ROWS = 5


def example_rows(dataset: pd.DataFrame, spec: PipelineSpec) -> pd.DataFrame:
    """Rows that a user would send: the newest history of one entity, or a few rows of a table.

    Returns:
        The request's columns; timestamps as ISO 8601 text in UTC.
    """
    timestamp, entity = spec.columns.timestamp, spec.columns.entity
    if spec.forecast is None or timestamp is None:
        return dataset[spec.columns.inputs].head(TABLE_ROWS).reset_index(drop=True)
    one = dataset if entity is None else dataset[dataset[entity] == dataset[entity].iloc[0]]
    reach = (spec.forecast.lookback + spec.forecast.max_gap) * spec.forecast.step_seconds
    newest = one[one[timestamp] > one[timestamp].iloc[-1] - pd.Timedelta(seconds=reach)]
    text = newest[timestamp].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    names = [timestamp, *spec.columns.numeric, *([entity] if entity else [])]
    shown: pd.DataFrame = newest.assign(**{timestamp: text})[names]
    return shown.reset_index(drop=True)


def request_of(example: pd.DataFrame) -> dict[str, list[object]]:
    """The rows as a request's columns, missing numbers as None."""
    return {
        str(name): [None if _is_missing(value) else value for value in column.tolist()]
        for name, column in example.items()
    }


def _is_missing(value: object) -> bool:
    return isinstance(value, float) and np.isnan(value)


def input_ranges(
    dataset: pd.DataFrame, data: TrainingSet, spec: PipelineSpec
) -> Mapping[str, tuple[float, float]]:
    """Lowest and highest value of each input column up to the last training row.

    For a table these are the ranges of all its rows.
    """
    rows = dataset
    if spec.columns.timestamp:
        end = pd.Timestamp(data.part("train").timestamps.max(), tz="UTC")
        rows = dataset[dataset[spec.columns.timestamp] <= end]
    names = spec.columns.numeric if spec.forecast else spec.columns.inputs
    return {name: (float(rows[name].min()), float(rows[name].max())) for name in names}
