"""A stand-in of Dagster's webserver, for commands that launch runs and follow them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class Webserver(ThreadingHTTPServer):
    """Answers as Dagster's: every run is launched, and ends at once.

    Attributes:
        launched: What runs were asked for.
        partitions: What partitions were to be added; it has them already.
        status: How they end.
        releases: The runs of the job `release` that it knows, the newest first.
        at_the_end: What happens once somebody hears of a run's end.
    """

    launched: list[dict[str, Any]]
    partitions: list[str]
    status: str = "SUCCESS"
    releases: list[dict[str, str]]
    at_the_end: Callable[[], object] = bool


class _Handler(BaseHTTPRequestHandler):
    server: Webserver

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "launchRun" in asked["query"]:
            self.server.launched.append(asked["variables"])
            answer: dict[str, Any] = {"launchRun": {"run": {"runId": "run-1"}}}
        elif "addDynamicPartition" in asked["query"]:
            self.server.partitions.append(asked["variables"]["key"])
            answer = {"addDynamicPartition": {"__typename": "DuplicateDynamicPartitionError"}}
        elif "runsOrError" in asked["query"]:
            answer = {"runsOrError": {"results": self.server.releases}}
        else:
            self.server.at_the_end()
            log = {"cursor": "1", "events": []}
            answer = {
                "logsForRun": log,
                "runOrError": {"status": self.server.status, "tags": []},
            }
        body = json.dumps({"data": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stays silent."""


@contextmanager
def running_webserver() -> Iterator[Webserver]:
    """It, until the block ends."""
    with Webserver(("127.0.0.1", 0), _Handler) as server:
        server.launched, server.partitions, server.releases = [], [], []
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()
