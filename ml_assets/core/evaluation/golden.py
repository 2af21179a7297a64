"""Golden requests: test rows as somebody would ask for them, with what the evaluation predicted.

The answers are the predictions that were measured, which come from the feature rows of the training
set. A service that gives them computes the same features out of the raw readings of a request.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import numpy as np
import pandas as pd

from ml_assets.core.errors import DataError
from ml_assets.core.evaluation.comparison import Predictions
from ml_assets.core.evaluation.manners import Manner, Spelling, ask, in_utc, local, with_offset
from ml_assets.core.evaluation.origins import Origin, RawReadings, spread_origins
from ml_assets.core.features.training_set import Part
from ml_assets.core.histories import Rows
from ml_assets.core.spec import PipelineSpec
from serving.golden import GoldenRequest
from serving.runtime.manifest import ModelManifest

GOLDEN_REQUESTS = 500
"""How many there are of each evaluated version."""
TABLE_ROWS = 8
"""Most rows of one request for a table."""
SEVERAL, MOST_ENTITIES = 4, 3
"""One request for a forecast of so many is for several entities, and for how many at most."""
EARLIER = 24
"""Readings that some requests send without need."""
SPELLINGS: tuple[Spelling, ...] = (in_utc, with_offset, local)
SEED = 7


def golden_requests(
    test: Part,
    predictions: Predictions,
    *,
    dataset: pd.DataFrame,
    spec: PipelineSpec,
    manifest: ModelManifest,
    count: int = GOLDEN_REQUESTS,
) -> Iterator[GoldenRequest]:
    """Requests for test rows, each with the answer that the evaluation stands for.

    The same input gives the same requests. Where there are fewer rows than requests, rows are asked
    for several times, in other ways.

    Args:
        test: The test span, n rows.
        predictions: What the model predicted for it, in the shape of its output: (n, horizon),
            (n,) or (n, k). Rows with a prediction that is not finite are never asked for.
        dataset: The validated dataset that the rows were made of.
        spec: The YAML file that they were made with.
        manifest: The model's own manifest, which may be older than the YAML file.
        count: How many requests.

    Raises:
        DataError: There is no row that can be asked for.
    """
    finite = np.isfinite(predictions).reshape(len(predictions), -1).all(axis=1)
    rows, random = np.flatnonzero(finite), np.random.default_rng(SEED)
    if len(rows) == 0:
        raise DataError(f"{manifest.name!r} predicts no finite number for any of its test rows")
    if manifest.forecast is None:
        return _table_requests(test, predictions, rows, dataset, manifest, random, count)
    readings = RawReadings.of(dataset, spec, manifest)
    origins = spread_origins(
        test,
        predictions,
        rows,
        readings=readings,
        spec=spec,
        manifest=manifest,
        count=count,
        random=random,
    )
    return _forecast_requests(origins, readings, manifest, random, count)


def _forecast_requests(
    origins: Mapping[str, Sequence[Origin]],
    readings: RawReadings,
    manifest: ModelManifest,
    random: np.random.Generator,
    count: int,
) -> Iterator[GoldenRequest]:
    """Requests for each origin in turn, alone or with others, in one manner after the other."""
    several = manifest.columns.entity is not None and len(origins) > 1
    leaders = [*chain.from_iterable(origins.values())]
    for number in range(count):
        turn = number + number // len(leaders)
        leader = leaders[number % len(leaders)]
        is_several = several and turn % SEVERAL == 0
        asked = [leader, *(_others(leader, origins, random) if is_several else ())]
        manner = Manner(
            spelling=SPELLINGS[turn % len(SPELLINGS)],
            shuffled=turn % (2 * SEVERAL) == 0,
            earlier=EARLIER if turn % 5 == 0 else 0,
            unnamed=turn % 7 == 0 and not is_several,
        )
        yield ask(asked, manner, readings=readings, manifest=manifest, random=random)


def _others(
    leader: Origin, origins: Mapping[str, Sequence[Origin]], random: np.random.Generator
) -> list[Origin]:
    """Origins of other entities, drawn at random."""
    groups = [group for entity, group in origins.items() if entity != leader.entity]
    chosen = random.permutation(len(groups))[: MOST_ENTITIES - 1]
    return [groups[one][random.integers(len(groups[one]))] for one in chosen]


def _table_requests(
    test: Part,
    predictions: Predictions,
    rows: Rows,
    dataset: pd.DataFrame,
    manifest: ModelManifest,
    random: np.random.Generator,
    count: int,
) -> Iterator[GoldenRequest]:
    """Small sets of test rows, drawn at random; rows of a table are known by their number."""
    values = dataset[manifest.feature_names].to_numpy(np.float64)[test.entities.astype(np.intp)]
    for _ in range(count):
        size = min(int(random.integers(1, TABLE_ROWS + 1)), len(rows))
        chosen = random.choice(rows, size, replace=False)
        columns = values[chosen].T.tolist()
        data = dict(zip(manifest.feature_names, columns, strict=True))
        yield _answered(data, predictions[chosen], manifest)


def _answered(
    data: dict[str, list[object]], found: Predictions, manifest: ModelManifest
) -> GoldenRequest:
    if manifest.task == "regression":
        return GoldenRequest(data=data, predictions=found.tolist())
    likeliest = [manifest.classes[position] for position in found.argmax(axis=1)]
    by_class = dict(zip(manifest.classes, found.T.tolist(), strict=True))
    return GoldenRequest(data=data, predictions=likeliest, probabilities=by_class)
