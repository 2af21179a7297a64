"""Logs of one JSON object a line, without anything that a client sent but its request's id."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from serving.runtime.http.exchange import Exchange

FIELDS = "fields"
"""The attribute of a record that holds its own fields."""

access = logging.getLogger("serving.access")
service = logging.getLogger("serving")


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """See :class:`logging.Formatter`."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure(level: str) -> None:
    """Sends everything that this process logs to standard output, as JSON."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name in logging.root.manager.loggerDict:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
    # It tells what the access log tells better.
    logging.getLogger("uvicorn.access").disabled = True
    # It logs each question to the feature store.
    logging.getLogger("httpx").setLevel(logging.WARNING)


def fields(**values: object) -> dict[str, dict[str, object]]:
    """The ``extra`` of a call of a logger, for fields of its own."""
    return {FIELDS: values}


def log_failure(exchange: Exchange, error: Exception) -> None:
    """Logs where a request failed, without what the error says: that may be what was sent."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(one.filename).name}:{one.lineno} {one.name}" for one in frames]
    access.error(
        "a request failed",
        extra=fields(
            request_id=exchange.request_id, error=type(error).__name__, places=places[::-1]
        ),
    )


def log_refusal(request_id: str, *, status: int) -> None:
    """Logs that a connection brought no request that could be read."""
    access.info("no request", extra=fields(request_id=request_id, status=status))


def log_request(exchange: Exchange, *, route: str, status: int, seconds: float) -> None:
    """Logs that a request was answered, without what it held."""
    if access.isEnabledFor(logging.INFO):
        access.info(
            "request",
            extra=fields(
                request_id=exchange.request_id,
                method=exchange.method,
                route=route,
                status=status,
                milliseconds=round(1000 * seconds, 3),
                rows=exchange.rows,
            ),
        )
