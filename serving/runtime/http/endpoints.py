"""The routes that predict."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import ParamSpec, TypeVar

from serving.runtime.errors import Problem, RequestError
from serving.runtime.http.application import Route
from serving.runtime.http.batching import Batcher, Predictions
from serving.runtime.http.bodies import Body, check_content_type, read_columns
from serving.runtime.http.exchange import Exchange, Reply
from serving.runtime.http.invocations import Invocations, tell_predictions
from serving.runtime.http.metrics import Metrics
from serving.runtime.http.online import OnlineQuestions
from serving.runtime.http.slots import Slots
from serving.runtime.online_request import OnlineRequest
from serving.runtime.online_store import OnlineRows, OnlineStore
from serving.runtime.predict import Answer, Question, read_question, tell_answer
from serving.runtime.served import ServedModel
from serving.runtime.settings import ServiceSettings

Reader = Callable[[bytes], Body]
Teller = Callable[[Answer], object]

P = ParamSpec("P")
Result = TypeVar("Result")

LARGE_BODY = 50_000
"""Bytes of a body from which on it is computed on a thread, so that others get their answer."""
LARGE_LIST = 5_000
"""The same for a body that lists entities, of which each has many features."""


class PredictionRoutes:
    """The routes that predict, and what they answer."""

    def __init__(
        self,
        served: ServedModel,
        settings: ServiceSettings,
        metrics: Metrics,
        *,
        store: OnlineStore | None = None,
    ) -> None:
        self._served = served
        self._settings = settings
        self._metrics = metrics
        self._invocations = Invocations.of(served.model.manifest, max_rows=settings.max_rows)
        self._batcher = Batcher(served.model.predict)
        self._online = OnlineQuestions(served, settings, metrics, store)
        self._large = Slots(settings.max_large_requests, kind="large requests")
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="large-requests")

    def routes(self) -> Mapping[str, Route]:
        """What answers at which path."""
        return {
            "/predict": Route(self._predict, "POST", is_limited=True),
            "/invocations": Route(self._invoke, "POST", is_limited=True),
            "/predict/feast": Route(self._predict_online, "POST", is_limited=True),
        }

    async def _predict(self, exchange: Exchange) -> Reply:
        check_content_type(exchange)
        return await self._answer_body(exchange, read=read_columns, tell=self._served.content)

    async def _invoke(self, exchange: Exchange) -> Reply:
        read = self._invocations.reader(exchange)
        return await self._answer_body(exchange, read=read, tell=tell_predictions)

    async def _predict_online(self, exchange: Exchange) -> Reply:
        with self._slot(exchange, large=LARGE_LIST):
            body = await self._online.read_body(exchange)
            run = self._in_thread if len(body) > LARGE_LIST else _here
            request = await run(self._online.read_request, exchange, body)
            rows = await self._online.ask(request)
            return await run(self._answer_online, request, rows)

    def _answer_online(self, request: OnlineRequest, rows: OnlineRows) -> Reply:
        question = self._online.question(request, rows)
        numbers = self._served.model.predict(question.features)
        return self._reply(question, numbers, self._served.content)

    async def _answer_body(self, exchange: Exchange, *, read: Reader, tell: Teller) -> Reply:
        settings = self._settings
        with self._slot(exchange, large=LARGE_BODY):
            body = await exchange.read_body(
                most=settings.max_body_bytes, seconds=settings.body_seconds
            )
            if len(body) > LARGE_BODY:
                return await self._in_thread(self._answer_large, exchange, body, read, tell)
        question = self._read_question(exchange, read(body))
        return self._reply(question, await self._batcher.predict(question.features), tell)

    def _slot(self, exchange: Exchange, *, large: int) -> AbstractContextManager[None]:
        """A place for a request that is large, or does not say how large it is."""
        length = exchange.declared_length
        return self._large.one() if length is None or length > large else nullcontext()

    async def _in_thread(
        self, function: Callable[P, Result], *given: P.args, **named: P.kwargs
    ) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(function, *given, **named))

    def _answer_large(self, exchange: Exchange, body: bytes, read: Reader, tell: Teller) -> Reply:
        question = self._read_question(exchange, read(body))
        return self._reply(question, self._served.model.predict(question.features), tell)

    def _read_question(self, exchange: Exchange, body: Body) -> Question:
        exchange.layout = body.layout
        most = self._settings.max_rows
        for name, values in body.columns.items():
            if isinstance(values, list) and len(values) > most:
                message = f"column {name!r} has {len(values)} rows; at most {most} are taken"
                raise RequestError(Problem(message, name))
        question = read_question(self._served.model, body.columns)
        exchange.rows = len(question.features)
        return question

    def _reply(self, question: Question, numbers: Predictions, tell: Teller) -> Reply:
        answer = tell_answer(self._served.model, question, numbers)
        self._metrics.count_answer(answer)
        return Reply.of(tell(answer))


async def _here(function: Callable[P, Result], *given: P.args, **named: P.kwargs) -> Result:
    return function(*given, **named)
