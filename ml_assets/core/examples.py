"""What a served model is told of its data: an example, the span, the range of each column."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ml_assets.core.errors import DataError
from ml_assets.core.features.table import entity_rows, reading_times
from ml_assets.core.features.training_set import TrainingSet
from ml_assets.core.histories import history_rows
from ml_assets.core.names import EVENT_TIMESTAMP
from ml_assets.core.spec import PipelineSpec
from serving.runtime.feature_store import JOIN_KEY
from serving.runtime.manifest import TrainingSpan
from serving.runtime.spec import ForecastSpec

TABLE_ROWS = 5


def example_rows(dataset: pd.DataFrame, features: pd.DataFrame, spec: PipelineSpec) -> pd.DataFrame:
    """Rows that a user would send and the model answers.

    Args:
        dataset: The validated dataset.
        features: Its feature table.
        spec: The model.

    Returns:
        The request's columns; timestamps as ISO 8601 text in UTC. For a forecast the history of
        one entity that ends at the newest reading with complete features; else the first complete
        rows.

    Raises:
        DataError: No reading has complete features and a history as long as the lookback.
    """
    timestamp, entity = spec.columns.timestamp, spec.columns.entity
    if spec.forecast is None or timestamp is None:
        complete = dataset[spec.columns.inputs].dropna()
        return complete.head(TABLE_ROWS).reset_index(drop=True)
    newest = dataset.iloc[_newest_history(dataset, features, spec, timestamp, spec.forecast)]
    text = newest[timestamp].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    names = [timestamp, *spec.columns.numeric, *([entity] if entity else [])]
    shown: pd.DataFrame = newest.assign(**{timestamp: text})[names]
    return shown.reset_index(drop=True)


def _newest_history(
    dataset: pd.DataFrame,
    features: pd.DataFrame,
    spec: PipelineSpec,
    timestamp: str,
    forecast: ForecastSpec,
) -> slice:
    """The rows of the newest origin that can be asked for."""
    times = reading_times(dataset, timestamp)
    known = entity_rows(dataset, spec)
    origins = reading_times(features, EVENT_TIMESTAMP)
    entities = features[JOIN_KEY]
    for row in np.argsort(-origins.astype(np.int64), kind="stable"):
        rows = known[str(entities.iloc[row])]
        (start,), (stop,) = history_rows(times[rows], origins[row : row + 1], forecast)
        if start < stop:
            return slice(rows.start + int(start), rows.start + int(stop))
    raise DataError(
        f"no reading of {spec.name!r} has complete features and {forecast.lookback} steps of "
        "history (forecast.lookback); give more readings"
    )


def input_ranges(
    dataset: pd.DataFrame, data: TrainingSet, spec: PipelineSpec
) -> Mapping[str, tuple[float, float]]:
    """Lowest and highest value of each column of numbers in the rows that a model is fitted to.

    For a forecast these are all readings up to the last training origin. The target is among the
    columns if it is a number.
    """
    train = data.part("train")
    if spec.columns.timestamp and spec.forecast:
        end = pd.Timestamp(train.timestamps.max(), tz="UTC")
        rows = dataset[dataset[spec.columns.timestamp] <= end]
    else:
        rows = dataset.iloc[train.entities.astype(np.int64)]
    of_numbers = spec.task != "classification"
    names = spec.columns.numeric if of_numbers else spec.columns.inputs
    return {name: (float(rows[name].min()), float(rows[name].max())) for name in names}


def training_span(data: TrainingSet, spec: PipelineSpec) -> TrainingSpan:
    """How many rows the model is fitted to, and the times of the first and the last of them."""
    train = data.part("train")
    if spec.columns.timestamp is None:
        return TrainingSpan(rows=len(train))
    start, end = (
        f"{np.datetime_as_string(time, unit='s')}Z"
        for time in (train.timestamps.min(), train.timestamps.max())
    )
    return TrainingSpan(rows=len(train), start=start, end=end)
