"""A server that plays the answers of Feast's feature server."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

EPOCH = "1970-01-01T00:00:00Z"
LATEST = "2024-01-09T00:00:00Z"


@dataclass
class FeatureServer:
    """What the server is to say, and what it was asked.

    Attributes:
        names: The features, in the order in which the server tells them.
        rows: Feature values of each entity that it knows.
        others: Feature values of all other entities, if it knows those too.
        time: Event time of all rows.
        statuses: Feast's word for a feature, by (entity, feature), where it is not the usual one.
        times: Event time of a feature, by (entity, feature), where it is not the usual one.
        status: The HTTP status of all answers.
        body: The body of all answers, instead of the features.
        pause: Waits before an answer, in seconds.
        port: Where it listens.
        asked: Bodies of the questions.
        headers: Headers of the questions.
    """

    names: Sequence[str]
    rows: Mapping[str, Sequence[object]]
    others: Sequence[object] | None = None
    time: str = LATEST
    statuses: dict[tuple[str, str], str] = field(default_factory=dict)
    times: dict[tuple[str, str], str] = field(default_factory=dict)
    status: int = 200
    body: bytes | None = None
    pause: float = 0.0
    port: int = 0
    asked: list[Any] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, str]:
        """The environment of a service that reads this server."""
        url = f"http://127.0.0.1:{self.port}"
        return {"FEAST_ONLINE_ENABLED": "true", "FEAST_ONLINE_URL": url}

    def answer(self, question: Any) -> bytes:
        """The body of the answer to a question."""
        self.asked.append(question)
        entities = question["entities"]["entity"]
        keys = {
            "values": entities,
            "statuses": ["PRESENT"] * len(entities),
            "event_timestamps": [EPOCH] * len(entities),
        }
        told = [self._vector(position, entities) for position in range(len(self.names))]
        names = ["entity", *self.names]
        return json.dumps({"results": [keys, *told], "metadata": {"feature_names": names}}).encode()

    def _vector(self, position: int, entities: Sequence[str]) -> dict[str, object]:
        name = self.names[position]
        found = {one: self.rows.get(one, self.others) for one in entities}
        known = {one: row[position] for one, row in found.items() if row is not None}

        def tell(of_known: Callable[[str], object], otherwise: object) -> list[object]:
            return [of_known(one) if one in known else otherwise for one in entities]

        return {
            "values": tell(known.__getitem__, None),
            "statuses": tell(lambda one: self.statuses.get((one, name), "PRESENT"), "NOT_FOUND"),
            "event_timestamps": tell(lambda one: self.times.get((one, name), self.time), EPOCH),
        }


@contextmanager
def playing(server: FeatureServer) -> Iterator[FeatureServer]:
    """Answers over HTTP on a free port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply(b"")

        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["content-length"])))
            server.headers.append(dict(self.headers))
            self._reply(server.answer(question))

        def _reply(self, content: bytes) -> None:
            time.sleep(server.pause)
            body = content if server.body is None else server.body
            self.send_response(server.status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *content: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.daemon_threads = True
        server.port = listener.server_port
        threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            listener.shutdown()
