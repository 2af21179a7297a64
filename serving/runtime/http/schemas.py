"""JSON Schemas of what a model's service takes and answers."""

from collections.abc import Mapping
from typing import Any

from serving.runtime.history import LARGEST_READING
from serving.runtime.manifest import ModelManifest
from serving.runtime.request import LARGEST

Schema = Mapping[str, Any]

YEAR = "(167[89]|16[89][0-9]|1[7-9][0-9]{2}|2[01][0-9]{2}|22[0-5][0-9]|226[01])"
DATE = f"{YEAR}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
TIME = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.0+)?)?"
OFFSET = "(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)"
TIMESTAMP: Schema = {
    "type": "string",
    "pattern": f"^{DATE}([ T]{TIME}{OFFSET}?)?$",
    "description": "ISO 8601 in whole seconds, from 1678 to 2261.",
}
UTC: Schema = {"type": "string", "format": "date-time", "description": "Time in UTC."}
ENTITY: Schema = {
    "type": ["string", "integer"],
    "pattern": r"^[^\x00-\x1f\x7f-\xa0\xad\ue000-\uf8ff]+$",
    "description": "Printable text, or a whole number.",
}
NUMBER: Schema = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
READING: Schema = {
    "type": ["number", "null"],
    "minimum": -LARGEST_READING,
    "maximum": LARGEST_READING,
}

TEXT: Schema = {"type": "string"}
IDENTITY: Mapping[str, Schema] = {"name": TEXT, "version": TEXT}
DIGEST: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "sha256."}

ERROR: Schema = {
    "type": "object",
    "properties": {
        "error": {"type": "string", "description": "What is wrong, where, and what to do."},
        "request_id": {"type": "string", "description": "The request's id in the service's logs."},
        "fields": {
            "type": "array",
            "description": "Each wrong field.",
            "items": {
                "type": "object",
                "properties": {
                    "path": {"type": "string", "description": "JSON pointer (RFC 6901)."},
                    "error": {"type": "string"},
                },
                "required": ["path", "error"],
            },
        },
    },
    "required": ["error", "request_id"],
}


def request_schema(manifest: ModelManifest, *, max_rows: int) -> Schema:
    """What `/predict` takes."""
    cells = _cells(manifest)
    required = [name for name in cells if name in _required(manifest)]
    lists = {
        name: {"type": "array", "items": cell, "minItems": 1, "maxItems": max_rows}
        for name, cell in cells.items()
    }
    columns = _object({"data": _object(lists, required=required)}, required=["data"])
    if manifest.forecast:
        return columns
    record = _object(cells, required=required)
    return {
        "anyOf": [
            {"title": "Columns", **columns},
            {"title": "One row", **record},
        ]
    }


def answer_schema(manifest: ModelManifest) -> Schema:
    """What `/predict` answers."""
    predictions = _list(prediction_schema(manifest))
    parts: dict[str, Schema] = {"model": _object(IDENTITY), "predictions": predictions}
    if manifest.classes:
        shares = {name: _list({"type": "number"}) for name in manifest.classes}
        parts["probabilities"] = {
            **_object(shares),
            "description": "Probability of each row, by class.",
        }
    return _object(parts)


def prediction_schema(manifest: ModelManifest) -> Schema:
    """One prediction: of an entity, or of a row."""
    if manifest.classes:
        return {"type": "string", "enum": manifest.classes}
    if manifest.forecast is None:
        return {"type": "number"}
    steps = {"minItems": manifest.forecast.horizon, "maxItems": manifest.forecast.horizon}
    return _object(
        {
            "entity": {"type": ["string", "null"]},
            "origin": {**UTC, "description": "Time of the latest reading, in UTC."},
            "timestamps": {**_list(UTC), **steps},
            "values": {**_list({"type": "number"}), **steps},
        }
    )


def _cells(manifest: ModelManifest) -> dict[str, Schema]:
    """What a value of each column may be."""
    columns = manifest.columns
    if manifest.forecast is None:
        numbers: dict[str, Schema] = dict.fromkeys(manifest.feature_names, NUMBER)
        return numbers | {name: {"description": "Not read."} for name in manifest.ignored_columns}
    cells: dict[str, Schema] = {manifest.timestamp_column: TIMESTAMP}
    if columns.entity:
        cells[columns.entity] = ENTITY
    return cells | dict.fromkeys(columns.numeric, READING)


def _required(manifest: ModelManifest) -> tuple[str, ...]:
    if manifest.forecast is None:
        return tuple(manifest.feature_names)
    return (manifest.timestamp_column, *manifest.columns.numeric)


def health_schema() -> Schema:
    """What `/health` answers."""
    return _object({"status": {"const": "ok"}, "model": _object({**IDENTITY, "digest": DIGEST})})


def status_schema(content: Mapping[str, str]) -> Schema:
    """An answer that is always the same."""
    return _object({name: {"const": value} for name, value in content.items()})


def card_schema() -> Schema:
    """What `/model` answers."""
    ranges = {"type": ["array", "null"], "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    column = _object({"name": TEXT, "training_range": ranges})
    return _object(
        {
            "model": _object(IDENTITY),
            "digest": DIGEST,
            "task": TEXT,
            "estimator": TEXT,
            "data_version": TEXT,
            "training": {"type": ["object", "null"], "description": "Rows, first and last time."},
            "metrics": {"type": "object", "additionalProperties": {"type": ["number", "null"]}},
            "target": column,
            "classes": {"type": ["array", "null"], "items": TEXT},
            "inputs": _list(column),
            "features": _list(TEXT),
            "forecast": {"type": ["object", "null"], "description": "Step, horizon, lookback."},
            "timezone": TEXT,
            "limits": {"type": "object", "additionalProperties": {"type": "number"}},
            "support_contact": {"type": ["string", "null"]},
        }
    )


def _object(properties: Mapping[str, Schema], *, required: list[str] | None = None) -> Schema:
    """An object of these fields and no others; all are required unless some are named."""
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties] if required is None else required,
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def feast_schema(*, max_rows: int) -> Schema:
    """What `/predict/feast` takes."""
    entities = {"minItems": 1, "maxItems": max_rows, "uniqueItems": True}
    return _object({"time_point": TIMESTAMP, "entities": {**_list(ENTITY), **entities}})


def invocations_schema() -> Schema:
    """What `/invocations` takes: one of the forms of MLflow's scoring protocol."""
    table = {"type": "object", "description": "`columns`, and `data` with a list for each row."}
    return {
        "type": "object",
        "properties": {
            "dataframe_split": table,
            "dataframe_records": {"type": "array", "items": {"type": "object"}},
            "inputs": {"type": ["object", "array"]},
            "instances": {"type": ["object", "array"]},
            "params": {"description": "Not read."},
        },
        "minProperties": 1,
    }


def predictions_schema(manifest: ModelManifest) -> Schema:
    """What `/invocations` answers."""
    number: Schema = {"type": "number"}
    plain = _list(number) if manifest.forecast else prediction_schema(manifest)
    return _object({"predictions": _list(plain)})
