"""The OpenAPI document of a model's service; what it shows as answers the model really gave."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serving.runtime.errors import RequestError
from serving.runtime.example import example_columns
from serving.runtime.http.about import ALIVE, READY
from serving.runtime.http.exchange import JSON_TYPE, error_content
from serving.runtime.http.invocations import CSV_TYPE, tell_predictions
from serving.runtime.http.layouts import ColumnsLayout
from serving.runtime.http.schemas import (
    ERROR,
    Schema,
    answer_schema,
    card_schema,
    feast_schema,
    health_schema,
    invocations_schema,
    predictions_schema,
    request_schema,
    status_schema,
)
from serving.runtime.manifest import ModelManifest
from serving.runtime.predict import Question, read_question, tell_answer
from serving.runtime.request import Columns
from serving.runtime.served import ServedModel
from serving.runtime.settings import ServiceSettings

Object = Mapping[str, Any]

REASONS = {
    400: "The body is not JSON.",
    401: "The service asks for a key.",
    403: "The key is not one of this service's.",
    404: "The service does not ask a feature store; the error says how to switch that on.",
    405: "The address takes another method.",
    408: "The request took too long to arrive.",
    413: "The body is too large.",
    415: "The content type is none of those that are taken.",
    422: "Fields of the body are wrong; each of them is named.",
    431: "The headers are too large.",
    500: "The service failed; its operator finds the request_id in the logs.",
    503: "The service can't answer now; try again after the seconds in Retry-After.",
}
OF_HEADS = (405, 408, 431)
OF_BODIES = (400, *OF_HEADS, 413, 415, 422, 500, 503)
OF_KEYS = (401, 403)
REFUSED = 422

REQUEST_ID = "4f1f0a2b9c3d5e6f"

_FEAST_EXAMPLE: Mapping[str, Any] = {"time_point": "2024-01-09T00:00:00Z", "entities": [1, 2, 3]}
_TEXT = {"text/plain": {"schema": {"type": "string"}}}


def openapi_document(
    served: ServedModel, settings: ServiceSettings, *, card: Object, contact: str
) -> Object:
    """The document.

    Args:
        served: The model that answers.
        settings: What whoever runs the service has set.
        card: The model card.
        contact: Whom to ask for help: a URL, a mail address or a name.
    """
    components: dict[str, Any] = {"schemas": {"Error": ERROR}}
    if settings.api_keys_file:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": served.model.manifest.name,
            "version": served.version,
            "description": _description(served.model.manifest, settings, contact=contact),
            "contact": _contact(contact),
        },
        "servers": [{"url": "."}],
        "paths": _paths(served, settings, card=card),
        "components": components,
    }


def _contact(contact: str) -> Object:
    if contact.startswith(("http://", "https://")):
        return {"url": contact}
    return {"email": contact} if "@" in contact else {"name": contact}


def _description(manifest: ModelManifest, settings: ServiceSettings, *, contact: str) -> str:
    return (
        f"{_task(manifest)}\n\nNumbers are JSON numbers within float32; NaN and infinities are "
        "refused. Inputs outside of the range that their column had in training (see /model) are "
        f"answered, and counted in /metrics. At most {settings.max_rows} rows and "
        f"{settings.max_body_bytes} bytes are taken, and {settings.max_concurrency} requests at a "
        "time by each worker; one more gets a 503 at once. The header X-Request-ID names a "
        "request in answers and logs; without it, the service gives it a name."
        f"\n\nFor help, ask {contact}."
    )


def _task(manifest: ModelManifest) -> str:
    target, forecast = manifest.columns.target, manifest.forecast
    if forecast is None:
        return f"Predicts `{target}` of each row. Every column needs a number in every row."
    return (
        f"Forecasts `{target}` of each entity, {forecast.horizon} steps of {forecast.step} ahead. "
        f"Send raw history, at least {forecast.lookback} steps of it, the rows of an entity in "
        "the order of time. A missing reading is null, or its row is left out; the reading before "
        f"a gap fills at most {forecast.max_gap} steps of it. A timestamp "
        f"without an offset is local time in {manifest.timezone}."
    )


def _paths(served: ServedModel, settings: ServiceSettings, *, card: Object) -> Object:
    keys = OF_KEYS if settings.api_keys_file else ()
    health = _content(health_schema(), example=served.health)
    alive, ready = (_content(status_schema(one), example=one) for one in (ALIVE, READY))
    about = {
        "/model": ("The model card", _content(card_schema(), example=card), keys),
        "/metrics": ("What Prometheus reads", _TEXT, keys),
        "/health": ("Which model answers", health, ()),
        "/livez": ("Whether the service lives", alive, ()),
        "/readyz": ("Whether it takes requests", ready, (503,)),
    }
    return {
        **_predictions(served, settings, keys=keys),
        **{
            path: {"get": _operation(path[1:], summary, answer=answer, errors=(*errors, *OF_HEADS))}
            for path, (summary, answer, errors) in about.items()
        },
    }


def _predictions(served: ServedModel, settings: ServiceSettings, *, keys: Sequence[int]) -> Object:
    manifest, most = served.model.manifest, settings.max_rows
    columns = example_columns(manifest)
    answer = served.predict(columns)
    answered = _content(answer_schema(manifest), example=served.content(answer))
    predict = _operation(
        "predict",
        "Predict from the columns of a request",
        body=_content(request_schema(manifest, max_rows=most), example={"data": columns}),
        answer=answered,
        errors=(*OF_BODIES, *keys),
        refusal=_refusal(served, columns),
    )
    is_on = settings.feast_online_enabled
    feast = _operation(
        "predict_feast",
        "Predict from the features in Feast's online store" + ("" if is_on else " (switched off)"),
        body=_content(feast_schema(max_rows=most), example=_FEAST_EXAMPLE),
        answer=_content(answer_schema(manifest), example=_feast_answer(served, columns)),
        errors=(*OF_BODIES, 404, *keys),
    )
    invocations = _operation(
        "invocations",
        "Predict in MLflow's scoring protocol",
        body={
            **_content(invocations_schema(), example=_split(columns)),
            CSV_TYPE: {"schema": {"type": "string"}, "example": _csv(columns)},
        },
        answer=_content(predictions_schema(manifest), example=tell_predictions(answer)),
        errors=(*OF_BODIES, *keys),
    )
    return {
        "/predict": {"post": predict},
        "/predict/feast": {"post": feast},
        "/invocations": {"post": invocations},
    }


def _feast_answer(served: ServedModel, columns: Columns) -> Object:
    """What entities are answered whose features are those of the example."""
    model, entities = served.model, [*map(str, _FEAST_EXAMPLE["entities"])]
    features = read_question(model, columns).features[:1].repeat(len(entities), axis=0)
    time = np.datetime64(_FEAST_EXAMPLE["time_point"].removesuffix("Z"), "s")
    origins = np.repeat(time, len(entities))
    question = Question(features, entities=entities, origins=origins)
    return served.content(tell_answer(model, question, model.predict(features)))


def _split(columns: Columns) -> Object:
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return {"dataframe_split": {"columns": [*columns], "data": rows}}


def _csv(columns: Columns) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([[*columns], *zip(*columns.values(), strict=True)])
    return text.getvalue()


def _refusal(served: ServedModel, columns: Columns) -> Object:
    """What a request with a text instead of a number is really answered."""
    name = served.model.manifest.request_columns[0]
    try:
        return served.answer({**columns, name: ["warm", *columns[name][1:]]})
    except RequestError as error:
        return error_content(error, layout=ColumnsLayout("data"), request_id=REQUEST_ID)


def _operation(
    name: str,
    summary: str,
    *,
    answer: Object,
    errors: Sequence[int] = (),
    body: Object | None = None,
    refusal: Object | None = None,
) -> Object:
    responses = {str(status): _error(status) for status in sorted(errors)}
    if refusal is not None:
        responses[str(REFUSED)] = _error(REFUSED, example=refusal)
    operation: dict[str, Any] = {
        "tags": ["about the service" if body is None else "predict"],
        "operationId": name,
        "summary": summary,
        "responses": {"200": {"description": "The answer.", "content": answer}, **responses},
    }
    if OF_KEYS[0] in errors:
        operation["security"] = [{"key": []}]
    return operation if body is None else {**operation, "requestBody": _required(body)}


def _required(body: Object) -> Object:
    return {"required": True, "content": body}


def _error(status: int, *, example: Object | None = None) -> Object:
    schema = {"$ref": "#/components/schemas/Error"}
    told = example or {"error": REASONS[status], "request_id": REQUEST_ID}
    error = {"description": REASONS[status], "content": _content(schema, example=told)}
    if status != 503:
        return error
    retry = {"schema": {"type": "integer"}, "description": "Seconds."}
    return {**error, "headers": {"Retry-After": retry}}


def _content(schema: Schema | None = None, *, example: Object | None = None) -> Object:
    described = {"schema": schema or {"type": "object"}}
    return {JSON_TYPE: described if example is None else {**described, "example": example}}
