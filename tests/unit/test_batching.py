"""Rows that are asked for at the same time are predicted in one call."""

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from serving.runtime.http.batching import Batcher


class Doubler:
    """A model that doubles, and notes how many rows it was asked for at a time."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        self.batches.append(len(features))
        if (features < 0).any():
            raise ValueError("negative")
        return features[:, 0].astype(np.float64) * 2


def rows(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)[:, None]


async def asked(batcher: Batcher, *questions: NDArray[np.float32]) -> list[object]:
    return await asyncio.gather(*map(batcher.predict, questions), return_exceptions=True)


def test_each_gets_the_answers_to_its_own_rows() -> None:
    model = Doubler()
    answers = asyncio.run(asked(Batcher(model.predict), rows(1), rows(2, 3), rows(4)))
    assert [np.asarray(answer).tolist() for answer in answers] == [[2], [4, 6], [8]]
    assert model.batches == [4]


def test_the_next_turn_is_a_batch_of_its_own() -> None:
    model = Doubler()

    async def twice() -> None:
        batcher = Batcher(model.predict)
        await asked(batcher, rows(1), rows(2))
        await asked(batcher, rows(3))

    asyncio.run(twice())
    assert model.batches == [2, 1]


def test_whoever_asked_gets_the_error_and_the_next_batch_works() -> None:
    async def both() -> tuple[list[object], list[object]]:
        batcher = Batcher(Doubler().predict)
        return await asked(batcher, rows(-1), rows(2)), await asked(batcher, rows(5))

    failed, worked = asyncio.run(both())
    assert [type(answer) for answer in failed] == [ValueError, ValueError]
    assert np.asarray(worked[0]).tolist() == [10]


def test_one_who_went_away_does_not_disturb_the_others() -> None:
    async def ask() -> object:
        batcher = Batcher(Doubler().predict)
        gone = asyncio.ensure_future(batcher.predict(rows(1)))
        stays = asyncio.ensure_future(batcher.predict(rows(2)))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await stays

    assert np.asarray(asyncio.run(ask())).tolist() == [4]
