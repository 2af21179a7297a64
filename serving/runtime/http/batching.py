"""Predictions for requests that arrived together, in one call of the model.

A call takes about as long for sixteen rows as for one. Nobody waits for others to come: what is
there when the model is free is taken.
"""

import asyncio
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]
Predictions = NDArray[np.float64]


class Batcher:
    """Gathers what is asked within one turn of the event loop."""

    def __init__(self, predict: Callable[[Features], Predictions]) -> None:
        """Takes the model's function, from (n, p) features to n predictions in the same order."""
        self._predict = predict
        self._waiting: list[tuple[Features, asyncio.Future[Predictions]]] = []

    async def predict(self, features: Features) -> Predictions:
        """The predictions for ``features`` (n, p)."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._answer_all)
        future: asyncio.Future[Predictions] = loop.create_future()
        self._waiting.append((features, future))
        return await future

    def _answer_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            numbers = self._predict(np.concatenate([features for features, _ in waiting]))
        except Exception as error:  # noqa: BLE001  whoever asked gets it
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        start = 0
        for features, future in waiting:
            if not future.done():
                future.set_result(numbers[start : start + len(features)])
            start += len(features)
