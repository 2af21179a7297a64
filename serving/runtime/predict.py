"""From the columns of a request to the model's answer.

The history of a forecast goes through the same functions as the readings of the training, so the
answer equals the one of the batch evaluation.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.runtime.errors import RequestError
from serving.runtime.features import latest_features
from serving.runtime.history import Series
from serving.runtime.model import Model, ModelManifest
from serving.runtime.recent import missing_reading, recent_history
from serving.runtime.request import Columns, check_columns, numbers
from serving.runtime.spec import ForecastSpec


@dataclass(frozen=True)
class EntityForecast:
    """The forecast of one entity.

    Attributes:
        entity: What the history belongs to; ``None`` if the request has no entity column.
        origin: Time of the latest reading, ISO 8601 in UTC.
        timestamps: Times of the values, one step apart, the first one step after the origin.
        values: Forecasts in the target's unit, one for each time.
    """

    entity: str | None
    origin: str
    timestamps: list[str]
    values: list[float]


@dataclass(frozen=True)
class Answer:
    """What the model says to a request.

    Attributes:
        predictions: One forecast for each entity, in the order in which the request names them
            first; or for each row a number (regression) or the likeliest class.
        probabilities: For a classification the probability of each row, by class.
    """

    predictions: list[EntityForecast] | list[float] | list[str]
    probabilities: Mapping[str, list[float]] | None = None


def predict_columns(model: Model, data: Columns) -> Answer:
    """Answers a request.

    Args:
        model: The model that answers.
        data: Lists of equal length by column name. For a forecast the raw history of one or
            several entities, whose rows may be mixed, each entity's own in the order of time; the
            entity column may be left out if all rows belong to one series. Otherwise one row for
            each prediction; the target may be left out, and is not read.

    Raises:
        RequestError: The request is wrong; the message names the column, and the row or the entity.
        HistoryError: The history of an entity can't be put on a regular grid.
    """
    if model.manifest.forecast is None:
        return _predict_rows(model, data)
    return Answer(_predict_entities(model, data, forecast=model.manifest.forecast))


def _predict_entities(
    model: Model, data: Columns, *, forecast: ForecastSpec
) -> list[EntityForecast]:
    manifest = model.manifest
    history = recent_history(
        data, columns=manifest.columns, forecast=forecast, timezone=manifest.timezone
    )
    rows = [_features(one, manifest=manifest, forecast=forecast) for one in history.values()]
    return [
        _entity_forecast(entity, series, values, forecast=forecast)
        for (entity, series), values in zip(
            history.items(), _predict(model, np.stack(rows)), strict=True
        )
    ]


def _entity_forecast(
    entity: str | None, series: Series, values: NDArray[np.float64], *, forecast: ForecastSpec
) -> EntityForecast:
    times = series.timestamps[-1] + np.arange(forecast.horizon + 1) * forecast.step_delta
    origin, *timestamps = (_utc(time) for time in np.datetime_as_string(times, unit="s"))
    return EntityForecast(entity, origin, timestamps, values.tolist())


def _utc(time: object) -> str:
    return f"{time}Z"


def _features(
    series: Series, *, manifest: ModelManifest, forecast: ForecastSpec
) -> NDArray[np.float32]:
    columns, spec = manifest.columns, manifest.features
    features = latest_features(series, columns=columns.numeric, spec=spec)
    if np.isnan(features).any():
        raise missing_reading(series, columns=columns, features=spec, forecast=forecast)
    return features


def _predict(model: Model, features: NDArray[np.float32]) -> NDArray[np.float64]:
    predictions = model.predict(features)
    if not np.isfinite(predictions).all():
        raise RequestError("the numbers of the request are too large for a finite prediction")
    return predictions


def _predict_rows(model: Model, data: Columns) -> Answer:
    """The answer of a model that sees each row on its own."""
    manifest = model.manifest
    roles = (manifest.columns.target, manifest.columns.entity, manifest.columns.timestamp)
    ignored = [name for name in roles if name and name not in manifest.feature_names]
    check_columns(data, required=manifest.feature_names, optional=ignored)
    columns = [_complete(name, data) for name in manifest.feature_names]
    output = _predict(model, np.column_stack(columns).astype(np.float32))
    if manifest.task == "regression":
        return Answer(output.tolist())
    likeliest = [manifest.classes[position] for position in output.argmax(axis=1)]
    by_class = zip(manifest.classes, output.T.tolist(), strict=True)
    return Answer(likeliest, probabilities=dict(by_class))


def _complete(name: str, data: Columns) -> NDArray[np.float64]:
    values = numbers(name, data[name])
    if np.isnan(values).any():
        row = int(np.isnan(values).argmax())
        raise RequestError(
            f"column {name!r}, row {row}: expected a number, got null; the model has learnt from "
            "complete rows only"
        )
    return values
