"""The part of a model's YAML file that serving needs too: columns, features and forecast settings.

Every class is a frozen pydantic model that rejects unknown fields, so that a typing mistake in
YAML is an error with a line number and never a silently ignored setting.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from serving.runtime.errors import SpecError

Task = Literal["forecast", "regression", "classification"]
Statistic = Literal["mean", "std", "min", "max"]
CalendarField = Literal["hour_of_day", "day_of_week", "day_of_year"]
Steps = Annotated[int, Field(ge=0, le=100_000)]


def _known_timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise SpecError(
            f"unknown time zone {value!r}; use an IANA name such as 'UTC' or 'Europe/Berlin'"
        ) from error
    return value


Timezone = Annotated[str, AfterValidator(_known_timezone)]

_STEP_PATTERN = re.compile(r"(?P<count>[1-9]\d*)(?P<unit>s|min|h|d)")
_STEP_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


class FrozenModel(BaseModel):
    """A value read from YAML or JSON: immutable, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Rolling(FrozenModel):
    """Statistics over the last ``window`` steps, the current one included."""

    window: Annotated[int, Field(ge=2, le=100_000, description="Length in steps.")]
    statistics: list[Statistic] = Field(min_length=1, description="What is computed.")


class ColumnFeatures(FrozenModel):
    """The features that are computed from one column of the readings."""

    lags: list[Steps] = Field(default=[], description="Values so many steps ago; 0 is the latest.")
    differences: list[Annotated[int, Field(ge=1, le=100_000)]] = Field(
        default=[], description="Latest value minus the value so many steps ago."
    )
    rolling: list[Rolling] = Field(default=[], description="Statistics over trailing windows.")

    @property
    def reach(self) -> int:
        """Steps before the current one that the features look back."""
        windows = (rolling.window - 1 for rolling in self.rolling)
        return max((*self.lags, *self.differences, *windows), default=0)


class FeatureSpec(FrozenModel):
    """All features of a model; their order here is their order in the feature matrix."""

    columns: dict[str, ColumnFeatures] = Field(
        default={}, description="Features of each column, by the column's name."
    )
    calendar: list[CalendarField] = Field(
        default=[], description="Calendar positions of the origin, each as a sine and a cosine."
    )
    timezone: Timezone = Field(
        default="UTC", description="IANA time zone of the calendar features."
    )

    @model_validator(mode="after")
    def _names_are_distinct(self) -> "FeatureSpec":
        names = self.names
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise SpecError(f"feature {twice!r} is asked for twice; ask for it once")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in the order of the feature matrix's columns."""
        return tuple(self._names())

    @property
    def reach(self) -> int:
        """Steps before the current one that any feature looks back."""
        return max((column.reach for column in self.columns.values()), default=0)

    def _names(self) -> Iterator[str]:
        for column, features in self.columns.items():
            yield from (f"{column}_lag_{lag}" for lag in features.lags)
            yield from (f"{column}_diff_{steps}" for steps in features.differences)
            for rolling in features.rolling:
                yield from (f"{column}_{name}_{rolling.window}" for name in rolling.statistics)
        for field in self.calendar:
            yield from (f"{field}_sin", f"{field}_cos")


class ForecastSpec(FrozenModel):
    """How far a forecast looks ahead and back, in steps of a regular grid."""

    step: str = Field(default="1h", description="Distance of two readings: 15min, 1h, 1d, ...")
    horizon: Annotated[int, Field(ge=1, le=1000, description="Steps that are forecast.")]
    lookback: Annotated[int, Field(ge=1, le=100_000, description="Steps of history needed.")]
    max_gap: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=3,
        description="Missing steps in a row that the last reading fills; the rest stay empty.",
    )

    @field_validator("step")
    @classmethod
    def _step_is_a_duration(cls, value: str) -> str:
        if not _STEP_PATTERN.fullmatch(value):
            raise SpecError(f"step {value!r} is not a duration such as '15min', '1h' or '1d'")
        return value

    @property
    def step_seconds(self) -> int:
        """The step in seconds."""
        count, unit = _STEP_PATTERN.findall(self.step)[0]
        return int(count) * _STEP_UNITS[unit]

    @property
    def step_delta(self) -> np.timedelta64:
        """The step as NumPy's duration in seconds."""
        return np.timedelta64(self.step_seconds, "s")


class ColumnSpec(FrozenModel):
    """Which column of the table is what."""

    target: str = Field(description="The column to predict.")
    inputs: list[str] = Field(min_length=1, description="Number columns the features come from.")
    timestamp: str | None = Field(default=None, description="Time of the reading; forecasts only.")
    entity: str | None = Field(default=None, description="What a reading belongs to.")
    ranges: dict[str, tuple[float, float]] = Field(
        default={}, description="Plausible lowest and highest value of a column."
    )

    @model_validator(mode="after")
    def _names_are_distinct(self) -> "ColumnSpec":
        names = [name for name in (self.timestamp, self.entity, *self.inputs) if name]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SpecError(f"column {twice[0]!r} has more than one role; name each column once")
        unknown = sorted(set(self.ranges) - {*self.inputs, self.target})
        if unknown:
            raise SpecError(f"ranges name {unknown[0]!r}, which is neither target nor input")
        return self

    @property
    def numeric(self) -> tuple[str, ...]:
        """The columns of numbers that a history holds: the inputs, the target last."""
        return (*(name for name in self.inputs if name != self.target), self.target)
