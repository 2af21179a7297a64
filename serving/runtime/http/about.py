"""The routes that tell about the service: its health, its model, its figures and its documents."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from serving.runtime.http.application import Route
from serving.runtime.http.draining import Drain
from serving.runtime.http.exchange import Exchange, HttpError, Reply
from serving.runtime.http.metrics import Metrics
from serving.runtime.http.pages import FILES, FOLDER, swagger_file, swagger_page, swagger_start
from serving.runtime.http.slots import RETRY_SECONDS
from serving.runtime.served import ServedModel

Check = Callable[[], Awaitable[bool]]

ALIVE, READY = {"status": "alive"}, {"status": "ready"}
PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class AboutRoutes:
    """The routes that tell about the service, and what they answer."""

    def __init__(
        self,
        served: ServedModel,
        *,
        card: Mapping[str, Any],
        document: Mapping[str, Any],
        metrics: Metrics,
        drain: Drain,
        store_answers: Check | None = None,
    ) -> None:
        """Takes what the routes tell.

        Args:
            served: The model that answers.
            card: The model card.
            document: The OpenAPI document.
            metrics: What Prometheus reads.
            drain: Whether the service is about to end.
            store_answers: Whether the feature store does; None for a service without one.
        """
        self._served = served
        self._card = Reply.of(card)
        self._document = Reply.of(document)
        self._metrics = metrics
        self._drain = drain
        self._store_answers = store_answers

    def routes(self) -> Mapping[str, Route]:
        """What answers at which path."""
        return {
            "/health": Route(self._health, is_open=True),
            "/livez": Route(self._livez, is_open=True),
            "/readyz": Route(self._readyz, is_open=True),
            "/metrics": Route(self._tell_metrics),
            "/model": _always(self._card),
            "/docs.json": _always(self._document, is_open=True),
            "/": _always(swagger_page(self._served.model.manifest.name), is_open=True),
            f"{FOLDER}start.js": _always(swagger_start(), is_open=True),
            **{FOLDER + name: _always(swagger_file(name), is_open=True) for name in FILES},
        }

    async def _health(self, _exchange: Exchange) -> Reply:
        return Reply.of(self._served.health)

    async def _livez(self, _exchange: Exchange) -> Reply:
        return Reply.of(ALIVE)

    async def _readyz(self, _exchange: Exchange) -> Reply:
        if self._drain.has_begun:
            raise _not_ready("the service is about to end")
        if self._store_answers is not None and not await self._store_answers():
            raise _not_ready("the feature store does not answer")
        return Reply.of(READY)

    async def _tell_metrics(self, _exchange: Exchange) -> Reply:
        return Reply(200, self._metrics.text(), media_type=PROMETHEUS_TYPE)


def _always(reply: Reply, *, is_open: bool = False) -> Route:
    """A route whose answer does not change."""

    async def answer(_exchange: Exchange) -> Reply:
        return reply

    return Route(answer, is_open=is_open)


def _not_ready(reason: str) -> HttpError:
    return HttpError(503, reason, headers={"retry-after": str(RETRY_SECONDS)})
