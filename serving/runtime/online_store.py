"""Reads the latest features of entities from Feast's feature server, over HTTP."""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import httpx
import numpy as np
from numpy.typing import NDArray
from pydantic import AnyHttpUrl, BaseModel, ValidationError

from serving.runtime.errors import HistoryError, MLAssetsError
from serving.runtime.feature_store import JOIN_KEY
from serving.runtime.timestamps import Times, parse_timestamps

PRESENT, NOT_FOUND, TOO_OLD = "PRESENT", "NOT_FOUND", "OUTSIDE_MAX_AGE"
"""Feast's words for a feature that is there, that is not, and that is older than allowed now."""

CHECK_SECONDS = 1.0
"""How long it is taken for granted that the store answers, or does not."""
LARGE_ANSWER = 500_000
"""Bytes from which on an answer is read on a thread, so that others get their answer."""

_LARGEST = float(np.finfo(np.float32).max)
_UNKNOWN_SERVICE = "FeatureServiceNotFoundException"


class StoreError(MLAssetsError):
    """The feature store is out of reach, is slow, or answers with something that is no use."""


class _Vector(BaseModel):
    values: list[object]
    statuses: list[str]
    event_timestamps: list[str]


class _Metadata(BaseModel):
    feature_names: list[str]


class _Answer(BaseModel):
    metadata: _Metadata
    results: list[_Vector]


@dataclass(frozen=True, eq=False)
class OnlineRows:
    """What the store says about n entities and p features.

    Attributes:
        values: (n, p) float64, NaN where there is no finite number.
        statuses: (n, p) Feast's word for each value.
        times: (n, p) datetime64[s] in UTC, the event time of each value; 1970 where there is none.
    """

    values: NDArray[np.float64]
    statuses: NDArray[np.str_]
    times: Times

    @classmethod
    def read(cls, content: bytes, *, entities: int, names: Sequence[str]) -> Self:
        """The rows in an answer of the feature server, whose features may have any order.

        Raises:
            ValueError: It is not such an answer, or lacks a feature or an entity.
        """
        answer = _Answer.model_validate_json(content)
        found = dict(zip(answer.metadata.feature_names, answer.results, strict=False))
        lacking = [name for name in names if name not in found]
        if lacking:
            raise ValueError(f"it has no feature {lacking[0]!r}")
        vectors = [found[name] for name in names]
        for vector in vectors:
            parts = (vector.values, vector.statuses, vector.event_timestamps)
            if any(len(part) != entities for part in parts):
                raise ValueError(f"it is not about {entities} entities")
        return cls(
            np.array([[*map(_number, vector.values)] for vector in vectors]).T,
            np.array([vector.statuses for vector in vectors]).T,
            _times(vectors).T,
        )


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return np.nan
    return float(value) if abs(value) <= _LARGEST else np.nan


def _times(vectors: Sequence[_Vector]) -> Times:
    """The times of each vector; those of one feature view are the same, and are read once."""
    known: dict[tuple[str, ...], Times] = {}
    for texts in {tuple(vector.event_timestamps) for vector in vectors}:
        known[texts] = parse_timestamps(texts, timezone="UTC")
    return np.array([known[tuple(vector.event_timestamps)] for vector in vectors])


class OnlineStore:
    """Feast's feature server."""

    def __init__(self, url: AnyHttpUrl, *, seconds: float, connections: int) -> None:
        """Takes the server's address; nothing is opened before the first question.

        Args:
            url: Where the server is.
            seconds: How long it may take to answer.
            connections: How many there may be to it at a time.
        """
        self._url = url
        self._seconds = seconds
        self._limits = httpx.Limits(max_connections=connections)
        self._client: httpx.AsyncClient | None = None
        self._check: asyncio.Future[bool] | None = None
        self._checked_until = -math.inf

    @property
    def address(self) -> str:
        """Where it is, without path and credentials: for the operator's log, not for clients."""
        return f"{self._url.scheme}://{self._url.host}:{self._url.port}"

    async def is_reachable(self) -> bool:
        """Whether the server answers, and says that it is well.

        Whoever asks while another one waits, or within a second after, gets the same answer: the
        store is not asked more often because the service is.
        """
        if time.monotonic() > self._checked_until and (self._check is None or self._check.done()):
            self._check = asyncio.ensure_future(self._is_well())
        return await asyncio.shield(self._check) if self._check else False

    async def _is_well(self) -> bool:
        try:
            return (await self._ask("GET", "health")).status_code == httpx.codes.OK
        except StoreError:
            return False
        finally:
            self._checked_until = time.monotonic() + CHECK_SECONDS

    async def read(self, service: str, entities: Sequence[str], names: Sequence[str]) -> OnlineRows:
        """The latest features of each entity.

        Args:
            service: Name of the feature service.
            entities: What to look up, n ids.
            names: The p features, in the order of the columns of the rows.

        Raises:
            StoreError: There is no answer, or none that can be used.
        """
        question = {"feature_service": service, "entities": {JOIN_KEY: [*entities]}}
        response = await self._ask("POST", "get-online-features", question)
        if response.status_code == httpx.codes.NOT_FOUND and _UNKNOWN_SERVICE in response.text:
            raise StoreError(
                f"the feature store has no feature service {service!r}: the features of this "
                "version of the model were not applied there"
            )
        if response.status_code != httpx.codes.OK:
            raise StoreError(f"the feature store answers with status {response.status_code}")
        read = partial(OnlineRows.read, response.content, entities=len(entities), names=names)
        try:
            return await asyncio.to_thread(read) if len(response.content) > LARGE_ANSWER else read()
        except (ValueError, HistoryError) as error:
            raise StoreError(
                f"the feature store gives an answer of no use: {_told(error)}"
            ) from error

    async def close(self) -> None:
        """Hangs up."""
        if self._client is not None:
            await self._client.aclose()

    async def _ask(self, method: str, path: str, content: object = None) -> httpx.Response:
        try:
            # The client's own limits hold for each part of an answer, this one for all of it.
            async with asyncio.timeout(self._seconds):
                return await self._opened().request(method, path, json=content)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise StoreError(
                f"the feature store did not answer within {self._seconds:g} s"
            ) from error
        except httpx.ConnectError as error:
            raise StoreError("the feature store is out of reach") from error
        except httpx.HTTPError as error:
            raise StoreError(
                f"the feature store broke off its answer ({type(error).__name__})"
            ) from error

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            url = httpx.URL(str(self._url))
            self._client = httpx.AsyncClient(
                # Credentials are no part of the address, which may be logged.
                base_url=url.copy_with(userinfo=b""),
                auth=(url.username, url.password) if url.userinfo else None,
                timeout=self._seconds,
                limits=self._limits,
                trust_env=False,
            )
        return self._client


def _told(error: Exception) -> str:
    """What is wrong with an answer, without what it holds."""
    if isinstance(error, ValidationError):
        return "it is not one of Feast's"
    return "it has a time that can't be read" if isinstance(error, HistoryError) else str(error)
