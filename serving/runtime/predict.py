"""From the columns of a request to the model's answer.

The history of a forecast goes through the same functions as the readings of the training, so the
answer equals the one of the batch evaluation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from serving.runtime.errors import RequestError
from serving.runtime.features import latest_features
from serving.runtime.history import Series, Times
from serving.runtime.manifest import ModelManifest
from serving.runtime.model import Model
from serving.runtime.recent import missing_reading, recent_history
from serving.runtime.request import (
    Columns,
    Findings,
    check_columns,
    number_rows,
)
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
        numbers: (n, k) float64, what the model computed, probabilities for a classification.
        missing: Readings of the histories that were missing, and had no part in the forecast or
            were filled by the one before.
        outside: How many of the inputs lie outside of their column's range in training, by column.
        probabilities: For a classification the probability of each row, by class.
    """

    predictions: list[EntityForecast] | list[float] | list[str]
    numbers: NDArray[np.float64] = field(compare=False)
    missing: int
    outside: Mapping[str, int]
    probabilities: Mapping[str, list[float]] | None = None


@dataclass(frozen=True)
class Question:
    """What a request asks of a model.

    Attributes:
        features: (n, p) float32 in the order of ``manifest.feature_names``, none missing.
        missing: See :class:`Answer`.
        outside: See :class:`Answer`.
        entities: What each row belongs to; forecasts only.
        origins: (n,) time of the latest reading of each row; forecasts only.
    """

    features: NDArray[np.float32]
    missing: int = 0
    outside: Mapping[str, int] = field(default_factory=dict)
    entities: Sequence[str | None] = ()
    origins: Times = field(default_factory=lambda: np.array([], "datetime64[s]"))


def predict_columns(model: Model, data: Columns) -> Answer:
    """Answers a request; see :func:`read_question` for what it may hold.

    Raises:
        RequestError: The request is wrong; its problems name the column, and the row or the entity.
    """
    question = read_question(model, data)
    return tell_answer(model, question, model.predict(question.features))


def read_question(model: Model, data: Columns) -> Question:
    """What a request asks.

    Args:
        model: The model that shall answer.
        data: Lists of equal length by column name. For a forecast the raw history of one or
            several entities, whose rows may be mixed, each entity's own in the order of time; the
            entity column may be left out if all rows belong to one series. Otherwise one row for
            each prediction; the target may be left out, and is not read.

    Raises:
        RequestError: The request is wrong; its problems name the column, and the row or the entity.
    """
    if model.manifest.forecast is None:
        return _question_of_rows(model, data)
    return _question_of_histories(model, data, forecast=model.manifest.forecast)


def tell_answer(model: Model, question: Question, numbers: NDArray[np.float64]) -> Answer:
    """What the model says to a question.

    Args:
        model: The model.
        question: What was asked.
        numbers: What the model predicts for the question's features.

    Raises:
        RequestError: A number is not finite.
    """
    if not np.isfinite(numbers).all():
        raise RequestError("the numbers of the request are too large for a finite prediction")
    manifest, missing, outside = model.manifest, question.missing, question.outside
    if manifest.forecast is not None:
        forecasts = [
            _entity_forecast(entity, origin, values, forecast=manifest.forecast)
            for entity, origin, values in zip(
                question.entities, question.origins, numbers, strict=True
            )
        ]
        return Answer(forecasts, numbers, missing, outside)
    if manifest.task == "regression":
        return Answer(numbers.tolist(), numbers[:, None], missing, outside)
    likeliest = [manifest.classes[position] for position in numbers.argmax(axis=1).tolist()]
    by_class = dict(zip(manifest.classes, numbers.T.tolist(), strict=True))
    return Answer(likeliest, numbers, missing, outside, probabilities=by_class)


def _question_of_histories(model: Model, data: Columns, *, forecast: ForecastSpec) -> Question:
    manifest = model.manifest
    recent = recent_history(
        data, columns=manifest.columns, forecast=forecast, timezone=manifest.timezone
    )
    findings = Findings()
    rows = []
    for series in recent.series.values():
        with findings.gathered():
            rows.append(_features(series, manifest=manifest, forecast=forecast))
    findings.tell()
    readings = np.concatenate([series.values for series in recent.series.values()])
    return Question(
        np.stack(rows),
        recent.missing,
        model.ranges.outside(readings),
        entities=[*recent.series],
        origins=np.array([series.timestamps[-1] for series in recent.series.values()]),
    )


def _features(
    series: Series, *, manifest: ModelManifest, forecast: ForecastSpec
) -> NDArray[np.float32]:
    columns, spec = manifest.columns, manifest.features
    features = latest_features(series, columns=columns.numeric, spec=spec)
    if np.isnan(features).any():
        raise missing_reading(series, columns=columns, features=spec, forecast=forecast)
    return features


def _entity_forecast(
    entity: str | None,
    latest: np.datetime64,
    values: NDArray[np.float64],
    *,
    forecast: ForecastSpec,
) -> EntityForecast:
    times = latest + np.arange(forecast.horizon + 1) * forecast.step_delta
    origin, *timestamps = (f"{time}Z" for time in np.datetime_as_string(times, unit="s"))
    return EntityForecast(entity, origin, timestamps, values.tolist())


def _question_of_rows(model: Model, data: Columns) -> Question:
    """What is asked of a model that sees each row on its own."""
    manifest = model.manifest
    check_columns(data, required=manifest.feature_names, optional=manifest.ignored_columns)
    rows = number_rows(data, manifest.feature_names, complete=True)
    return Question(rows.astype(np.float32, order="C"), outside=model.ranges.outside(rows))
