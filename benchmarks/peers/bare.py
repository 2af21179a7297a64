"""The limit: our reading of a request and the model on uvicorn, without all else of a service."""

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from serving.runtime.served import ServedModel

Application = Callable[[Any, Any, Any], Awaitable[None]]


def create() -> Application:
    """The application; the model is the one in MODEL_DIR."""
    served = ServedModel.load(Path(os.environ["MODEL_DIR"]), version="1")

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        answer = served.answer(json.loads(await _body(receive))["data"])
        content = json.dumps(answer, separators=(",", ":")).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    return application


async def _body(receive: Any) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)
