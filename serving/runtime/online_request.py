"""Reads requests for predictions from the feature store."""

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from serving.runtime.errors import TOLD, HistoryError, Problem, RequestError
from serving.runtime.request import Findings, identifiers, shown
from serving.runtime.timestamps import parse_timestamps

TIME_POINT, ENTITIES = "time_point", "entities"


@dataclass(frozen=True)
class OnlineRequest:
    """What `{"time_point": "2024-01-09T00:00:00", "entities": [1, 2]}` asks for.

    Attributes:
        time_point: The time for which features must count, in UTC.
        entities: Ids of entities, each once.
    """

    time_point: np.datetime64
    entities: list[str]

    @classmethod
    def read(cls, content: object, *, timezone: str, most: int) -> Self:
        """The request that a JSON value holds.

        Args:
            content: The value.
            timezone: IANA name of the time zone of a time without an offset.
            most: How many entities may be asked for.

        Raises:
            RequestError: It has another structure; all that is wrong is told.
        """
        if not isinstance(content, dict):
            raise RequestError(
                'the body must be an object: {"time_point": "2024-01-09T00:00:00", '
                '"entities": ["1", ...]}'
            )
        findings = Findings()
        findings.problems += _wrong_names(content)
        time_point: np.datetime64 = np.datetime64("NaT", "s")
        entities: list[str] = []
        if TIME_POINT in content:
            with findings.gathered():
                time_point = _time_point(content[TIME_POINT], timezone=timezone)
        if ENTITIES in content:
            with findings.gathered():
                entities = _entities(content[ENTITIES], most=most)
        findings.tell()
        return cls(time_point, entities)


def _wrong_names(content: Mapping[str, object]) -> Iterator[Problem]:
    allowed = (TIME_POINT, ENTITIES)
    for name in content:
        if name not in allowed:
            message = f"unknown field {reprlib.repr(name)}; allowed are {', '.join(allowed)}"
            yield Problem(message, name)
    for name in allowed:
        if name not in content:
            yield Problem(f"field {name!r} is missing", name)


def _time_point(value: object, *, timezone: str) -> np.datetime64:
    if not isinstance(value, str):
        expected = "a timestamp such as '2018-02-20 13:00:00'"
        message = f"field {TIME_POINT!r}: expected {expected}, got {shown(value)}"
        raise RequestError(Problem(message, TIME_POINT))
    try:
        time: np.datetime64 = parse_timestamps([value], timezone=timezone)[0]
    except HistoryError as error:
        message = f"field {TIME_POINT!r}, {error.reason}"
        raise RequestError(Problem(message, TIME_POINT)) from error
    return time


def _entities(values: object, *, most: int) -> list[str]:
    if not isinstance(values, list) or not values:
        message = f"field {ENTITIES!r} must be a list of at least one id, got {shown(values)}"
        raise RequestError(Problem(message, ENTITIES))
    if len(values) > most:
        message = f"field {ENTITIES!r} has {len(values)} ids; at most {most} are taken"
        raise RequestError(Problem(message, ENTITIES))
    entities = identifiers(ENTITIES, values)
    first = {entity: row for row, entity in reversed([*enumerate(entities)])}
    twice = [row for row, entity in enumerate(entities) if first[entity] != row]
    if twice:
        raise RequestError(
            *(
                Problem(
                    f"entity {reprlib.repr(entities[row])} was asked for in row "
                    f"{first[entities[row]]} already; ask for each once",
                    ENTITIES,
                    row,
                )
                for row in twice[:TOLD]
            )
        )
    return entities
