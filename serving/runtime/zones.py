"""Conversion of whole arrays between UTC and an IANA time zone, from the zone's transitions.

All times here are int64 seconds since 1970-01-01: of UTC ("instants") or of a clock on the wall
("local").
"""

from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.int64]

_DAY = 86_400
_EVER = np.iinfo(np.int64).max // 2


def utc_offsets(instants: Seconds, *, zone: str) -> Seconds:
    """What a clock in the zone is ahead of UTC.

    Args:
        instants: (n,) seconds of UTC.
        zone: IANA name, such as "Europe/Berlin".

    Returns:
        (n,) seconds to add to an instant to get the local time.
    """
    starts, offsets = _segments(zone, *_years(instants))
    if len(starts) == 1:
        return np.broadcast_to(offsets, instants.shape)
    return offsets[np.searchsorted(starts, instants, side="right") - 1]


def local_to_utc(local: Seconds, *, zone: str) -> tuple[Seconds, NDArray[np.int8]]:
    """The instants at which a clock in the zone shows the given times.

    Args:
        local: (n,) seconds of local time.
        zone: IANA name, such as "Europe/Berlin".

    Returns:
        (n,) seconds of UTC, and (n,) how many instants there are for that local time: 1, or 0 where
        the clocks are put forward over it and 2 where they are put back over it.
    """
    starts, offsets = _segments(zone, *_years(local))
    near = np.searchsorted(starts, local, side="right") - 1
    instants = np.zeros_like(local)
    matches = np.zeros(local.shape, np.int8)
    # A local time differs from UTC by a day at most, so only the neighbours can hold it too.
    for neighbour in (-1, 0, 1) if len(starts) > 1 else (0,):
        segment = near + neighbour
        exists = (segment >= 0) & (segment < len(starts))
        segment = segment.clip(0, len(starts) - 1)
        instant = local - offsets[segment]
        exists &= (instant >= starts[segment]) & (instant < np.append(starts[1:], _EVER)[segment])
        instants[exists] = instant[exists]
        matches += exists
    return instants, matches


def _years(seconds: Seconds) -> tuple[int, int]:
    """First and last calendar year that the times touch, with a day to spare on both sides."""
    if seconds.size == 0:
        return 1970, 1970
    ends = np.array([seconds.min() - _DAY, seconds.max() + _DAY], "datetime64[s]")
    first, last = ends.astype("datetime64[Y]").astype(int) + 1970
    return int(first), int(last)


@lru_cache(maxsize=256)
def _segments(zone: str, first: int, last: int) -> tuple[Seconds, Seconds]:
    """Instants from which an offset holds, and the offsets, over the years first to last."""
    changes = [change for year in range(first, last + 1) for change in _changes(zone, year)]
    begin = _offset_at(_new_year(first), ZoneInfo(zone))
    starts, offsets = zip((-_EVER, begin), *changes, strict=True)
    return np.array(starts, np.int64), np.array(offsets, np.int64)


@lru_cache(maxsize=4096)
def _changes(zone: str, year: int) -> tuple[tuple[int, int], ...]:
    """The changes of the zone's offset in one year of UTC: (instant, new offset)."""
    tz = ZoneInfo(zone)
    # Daily samples suffice: no zone has changed its offset and changed it back within a day.
    days = range(_new_year(year), _new_year(year + 1) + 1, _DAY)
    spans = (
        (early, late)
        for early, late in pairwise(days)
        if _offset_at(early, tz) != _offset_at(late, tz)
    )
    instants = [_bisect(early, late, tz) for early, late in spans]
    return tuple((instant, _offset_at(instant, tz)) for instant in instants)


def _bisect(early: int, late: int, tz: ZoneInfo) -> int:
    """The first second in (early, late] at which the offset is no longer that of ``early``."""
    before = _offset_at(early, tz)
    while late - early > 1:
        middle = (early + late) // 2
        if _offset_at(middle, tz) == before:
            early = middle
        else:
            late = middle
    return late


def _offset_at(instant: int, tz: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(instant, tz).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _new_year(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
