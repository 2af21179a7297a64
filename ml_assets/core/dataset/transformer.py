"""Weather, load and oil temperature of a simulated transformer, hour by hour.

* **Weather**, the same for all transformers: a year with its warmest day in mid July, a day with
  its warmest hour at 15:00, spells of warm, cold and cloudy days.
* **Load**: on the low voltage side a morning and an evening peak, on the middle voltage side a
  nightly one (storage heating and charging), `WEEKEND` of both on Saturday and Sunday; cooling
  above 22 °C and heating below 8 °C; solar power, which clouds dim and which can turn the flow
  around at noon. The high voltage side carries the sum of both.
* **Oil**: the ambient temperature and the rise of the top oil above it. The steady rise follows
  the losses, and the oil approaches it exponentially: the equations of IEC 60076-7:2018, 8.2, with
  the exponent and the time constant of its table 4 for natural cooling (ONAN). The rise at rated
  load is that of a generously built transformer.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Hours = NDArray[np.float64]
Streams = Callable[[str], np.random.Generator]
"""Gives the random stream of the noise with that name."""

READINGS = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
"""The columns of numbers, in order."""
WEEKEND = 0.85
"""Share of the daily load cycle that is left on Saturday and Sunday."""

_WARMEST_DAY = 198  # 18 July, in days since 1 January 1970
_YEAR = 365.2425
_LOSS_RATIO = 6.0  # load losses at rated load over no-load losses
_OIL_EXPONENT = 0.8
_OIL_HOURS = 3.0
_RATED_LOAD = 20.0


@dataclass(frozen=True)
class Weather:
    """What all transformers share, each (n,) by hour.

    Attributes:
        hour: Hour of the day, 0 to 23.
        workload: 1 on Monday to Friday, `WEEKEND` otherwise.
        ambient: Air temperature in °C.
        sun: Solar power as a share of the highest.
    """

    hour: Hours
    workload: Hours
    ambient: Hours
    sun: Hours


def weather(times: NDArray[np.datetime64], *, streams: Streams) -> Weather:
    """The weather at the (n,) full hours ``times``, which are taken as solar time."""
    day = times.astype("datetime64[h]").astype(np.int64) / 24
    hour = np.round(day % 1 * 24)
    season = np.cos(2 * np.pi * (day - _WARMEST_DAY) / _YEAR)
    spells = _autoregressive(streams("spells"), day.size, spread=2.5, hours=96)
    clear = 1 / (1 + np.exp(_autoregressive(streams("clouds"), day.size, spread=1.5, hours=18)))
    half_daylight = 6 + 1.2 * season
    elevation = np.cos(np.pi / 2 * np.minimum(np.abs(hour - 12.5) / half_daylight, 1))
    return Weather(
        hour=hour,
        workload=np.where((np.floor(day) + 3) % 7 < 5, 1.0, WEEKEND),
        ambient=7 + 11 * season + spells + (2 + 3 * clear) * _cycle(hour, peak=15),
        sun=elevation * (0.3 + 0.7 * clear) * (0.8 + 0.2 * season),
    )


def readings(sky: Weather, *, streams: Streams) -> Hours:
    """What one transformer goes through, (7, n) in the order of `READINGS`: MW, Mvar and °C."""
    size, traits = sky.hour.size, streams("traits").uniform(0.85, 1.15, 4)

    def noise(name: str, spread: float, hours: float) -> Hours:
        return _autoregressive(streams(name), size, spread=spread, hours=hours)

    low = traits[0] * _low_voltage(sky) + noise("low", 0.7, 3) + noise("low level", 0.6, 300)
    middle = traits[1] * _middle_voltage(sky) - traits[2] * 18 * sky.sun
    middle += noise("middle", 2.4, 3) + noise("middle level", 2.5, 500)
    high = 1.01 * (low + middle)
    useless_middle = 0.9 + 0.8 * _cycle(sky.hour, peak=3) + noise("useless middle", 1.5, 150)
    useless_low = 0.28 * low + noise("useless low", 0.5, 150)
    useless_high = 0.5 + useless_low + useless_middle + noise("useless high", 0.5, 2)
    oil = sky.ambient + _oil_rise(high / _RATED_LOAD, rated=22 * traits[3])
    return np.stack([high, useless_high, middle, useless_middle, low, useless_low, oil])


def _low_voltage(sky: Weather) -> Hours:
    """Households and offices."""
    peaks = 0.9 * _peak(sky.hour, at=7.5, width=2) + 0.9 * _peak(sky.hour, at=19, width=2.5)
    return sky.workload * (3.0 + peaks) + 0.08 * _cooling(sky) + 0.03 * _heating(sky)


def _middle_voltage(sky: Weather) -> Hours:
    """Industry, storage heating and charging; the sun's share comes off it."""
    night = 2.5 * _peak(sky.hour, at=0.5, width=4)
    return sky.workload * (6.0 + night) + 0.45 * _cooling(sky) + 0.25 * _heating(sky)


def _cooling(sky: Weather) -> Hours:
    return np.maximum(sky.ambient - 22, 0)


def _heating(sky: Weather) -> Hours:
    return np.maximum(8 - sky.ambient, 0)


def _oil_rise(load: Hours, *, rated: float) -> Hours:
    """Rise (n,) of the top oil over ambient in K at loads (n,) in units of the rated load."""
    losses = (1 + _LOSS_RATIO * load**2) / (1 + _LOSS_RATIO)
    return _delayed(rated * losses**_OIL_EXPONENT, hours=_OIL_HOURS)


def _cycle(hour: Hours, *, peak: float) -> Hours:
    """A wave of the daily cycle, 1 at its peak and -1 half a day later."""
    return np.asarray(np.cos(2 * np.pi * (hour - peak) / 24))


def _peak(hour: Hours, *, at: float, width: float) -> Hours:
    """A bump of the daily cycle, 1 at its hour, its width the standard deviation in hours."""
    distance = np.abs((hour - at + 12) % 24 - 12)
    return np.asarray(np.exp(-0.5 * (distance / width) ** 2))


def _autoregressive(
    random: np.random.Generator, size: int, *, spread: float, hours: float
) -> Hours:
    """First-order autoregressive noise (size,): its standard deviation and its time constant."""
    keep = np.exp(-1 / hours)
    noise = random.standard_normal(size)
    noise[1:] *= np.sqrt(1 - keep**2)
    return np.asarray(lfilter([spread], [1, -keep], noise))


def _delayed(steady: Hours, *, hours: float) -> Hours:
    """The exponential response (n,) to a changing steady state (n,), in equilibrium at first."""
    keep = np.exp(-1 / hours)
    delayed, _ = lfilter([1 - keep], [1, -keep], steady, zi=[keep * steady[0]])
    return np.asarray(delayed)
