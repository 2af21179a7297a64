"""Stands in for the service (port 8000) and MLflow (5000): tells what nginx has passed on.

Runs in a container of its own; a query names headers of the answer, and `status` its status.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qsl, urlsplit

PORTS = (8000, 5000)
LARGE = "/large"
DIES = "dies"
"""The argument of one that dies of the first body."""


class Handler(BaseHTTPRequestHandler):
    """Answers whatever it is asked."""

    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        self.do_GET = self.do_HEAD = self.do_POST = self.do_PUT = self.do_OPTIONS = self.answer
        super().handle_one_request()

    def answer(self) -> None:
        received = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.command == "POST" and DIES in sys.argv:
            os._exit(1)
        told = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "bytes": len(received),
            "filling": "x" * 100_000 if self.path == LARGE else "",
        }
        body = json.dumps(told).encode()
        asked = dict(parse_qsl(urlsplit(self.path).query))
        self.send_response(int(asked.pop("status", 200)))
        for name, value in {"Content-Type": "application/json", **asked}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


if __name__ == "__main__":
    for port in PORTS:
        server = ThreadingHTTPServer(("", port), Handler)
        Thread(target=server.serve_forever).start()
