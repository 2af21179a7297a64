"""Which readings of an entity a request for a forecast holds."""

import numpy as np
from numpy.typing import NDArray

from serving.runtime.history import Times
from serving.runtime.spec import ForecastSpec

Rows = NDArray[np.intp]


def history_rows(times: Times, origins: Times, forecast: ForecastSpec) -> tuple[Rows, Rows]:
    """The readings that requests at the origins hold, if the service takes them.

    They end at the origin, reach back over the lookback and hold what fills a gap at its start.

    Args:
        times: (n,) times of one entity's readings, rising, n > 0.
        origins: (m,) times to forecast from.
        forecast: Step, lookback and how much of a gap is filled.

    Returns:
        First row and the row after the last of each request, (m,) each. They are equal where
        there is no reading at the origin or too little history before it.
    """
    first_steps = origins - (forecast.lookback - 1) * forecast.step_delta
    stops = np.searchsorted(times, origins, side="right")
    firsts = np.searchsorted(times, first_steps, side="right") - 1
    fills = np.searchsorted(times, first_steps - forecast.max_gap * forecast.step_delta)
    can_be_asked = (times[stops - 1] == origins) & (firsts >= 0)
    return np.where(can_be_asked, np.minimum(firsts, fills), stops), stops
