"""One request over HTTP, with its errors told in one way."""

import http.client
import json
import urllib.request
from typing import Any

from platform_metrics.failures import SourceError

SECONDS = 8
"""How long a service may take for an answer."""


def fetch(url: str, body: bytes | None = None) -> bytes:
    """What a page answers; with a body, what it answers to a POST of JSON.

    Raises:
        SourceError: Nobody answers, or the status tells an error.
    """
    headers = {"Content-Type": "application/json"} if body else {}
    request = urllib.request.Request(url, body, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as reply:  # noqa: S310
            content: bytes = reply.read()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SourceError(f"{url} does not answer: {error}") from error
    return content


def ask(url: str, query: str, variables: dict[str, object] | None = None) -> dict[str, Any]:
    """What a GraphQL server answers to a query.

    Raises:
        SourceError: It does not answer, or refuses the query.
    """
    body = json.dumps({"query": query, "variables": variables or {}}).encode()
    try:
        answer = json.loads(fetch(url, body))
        errors, data = answer.get("errors"), answer.get("data")
    except (ValueError, AttributeError) as error:
        raise SourceError(f"{url} answers what is no JSON of GraphQL: {error}") from error
    if errors or not isinstance(data, dict):
        raise SourceError(f"{url} refuses the query: {errors}")
    return data
