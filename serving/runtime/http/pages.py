"""The page that shows the OpenAPI document and tries it: Swagger UI, as BentoML ships it.

Everything comes from the service itself; the page's policy keeps the browser from asking any other
address.
"""

import html
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from serving.runtime.http.exchange import Reply

FOLDER = "/docs/"
FILES = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
"""What Swagger UI needs, with its media type."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
<style>
.swagger-ui .operation-servers,
.swagger-ui .scheme-container:not(:has(.auth-wrapper)),
.swagger-ui .scheme-container .schemes .schemes-server-container {{ display: none }}
</style>
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
START = """SwaggerUIBundle({
  url: "docs.json",
  dom_id: "#swagger-ui",
  validatorUrl: null,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: -1,
});
"""
"""Without a validator: the default asks an address on the internet."""


def swagger_page(title: str) -> Reply:
    """The page at `/`."""
    text = PAGE.format(title=html.escape(title))
    return _text(text, "text/html", {"content-security-policy": POLICY})


def swagger_start() -> Reply:
    """The script that shows the document."""
    return _text(START, "text/javascript", {})


def swagger_file(name: str) -> Reply:
    """One of `FILES`."""
    content = (_swagger_ui() / name).read_bytes()
    headers = {"cache-control": "public, max-age=86400"}
    return Reply(200, content, media_type=f"{FILES[name]}; charset=utf-8", headers=headers)


def _text(text: str, kind: str, headers: Mapping[str, str]) -> Reply:
    return Reply(200, text.encode(), media_type=f"{kind}; charset=utf-8", headers=headers)


def _swagger_ui() -> Path:
    spec = find_spec("bentoml")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("BentoML, which brings Swagger UI, is not installed")
    return Path(spec.origin).parent / "_internal" / "server" / "static_content"
