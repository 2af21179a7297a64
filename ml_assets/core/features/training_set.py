"""The training set: features joined with labels, split in time order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from ml_assets.core.errors import DataError
from ml_assets.core.features.keys import row_keys, with_keys
from ml_assets.core.names import EVENT_TIMESTAMP
from ml_assets.core.spec import PipelineSpec, SplitSpec
from serving.runtime.feature_store import JOIN_KEY
from serving.runtime.history import Series
from serving.runtime.spec import ForecastSpec

PartName = Literal["train", "validation", "test"]
PARTS: tuple[PartName, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Part:
    """The rows of one span.

    Attributes:
        entities: (n,) what each row belongs to.
        timestamps: (n,) origins, datetime64[us] in UTC.
        features: (n, p) float32.
        labels: (n, horizon) float32 for a forecast, (n,) float64 for a regression, (n,) class
            names for a classification.
    """

    entities: NDArray[np.str_]
    timestamps: NDArray[np.datetime64]
    features: NDArray[np.float32]
    labels: NDArray[np.generic]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.features)


@dataclass(frozen=True)
class TrainingSet:
    """All three spans, and the names of the feature matrix's columns."""

    feature_names: tuple[str, ...]
    parts: Mapping[PartName, Part]

    def part(self, name: PartName) -> Part:
        """The rows of the span called ``name``."""
        return self.parts[name]


@dataclass(frozen=True)
class Spans:
    """Where the spans of a forecast begin and end: ``edges[i]`` to ``edges[i + 1]``, in UTC."""

    edges: NDArray[np.datetime64]

    @classmethod
    def of(cls, series: Sequence[Series], *, split: SplitSpec, forecast: ForecastSpec) -> "Spans":
        """The spans over the time that all ``series`` cover together.

        Raises:
            DataError: The spans in steps are longer than the readings.
        """
        first = min(one.timestamps[0] for one in series)
        last = max(one.timestamps[-1] for one in series)
        steps = int((last - first) / forecast.step_delta) + 1
        sizes = [_size(share, steps) for share in (split.train, split.validation, split.test)]
        if sum(sizes) > steps:
            raise DataError(
                f"the split asks for {sum(sizes)} steps, but the readings cover only {steps}; "
                "make the split smaller or give it as shares that add up to 1"
            )
        return cls(first + np.cumsum([0, *sizes]) * forecast.step_delta)

    def assign(
        self, origins: NDArray[np.datetime64], *, forecast: ForecastSpec
    ) -> NDArray[np.int64]:
        """The span (0, 1, 2) that holds all labels of each origin, or -1 where none does."""
        first = np.searchsorted(self.edges, origins + forecast.step_delta, side="right") - 1
        last_label = origins + forecast.horizon * forecast.step_delta
        last = np.searchsorted(self.edges, last_label, side="right") - 1
        return np.where((first == last) & (first < len(PARTS)), first, -1)


def _size(share: float, steps: int) -> int:
    return int(share) if share > 1 else int(share * steps + 1e-9)


def label_names(spec: PipelineSpec) -> list[str]:
    """Names of the label columns: one for each step of a forecast, else one."""
    if spec.forecast is None:
        return ["label"]
    return [f"label_{step}" for step in range(1, spec.forecast.horizon + 1)]


def forecast_labels(series: Sequence[Series], spec: PipelineSpec) -> pd.DataFrame:
    """Every origin whose labels are all known and lie in one span.

    Returns:
        Columns ``entity``, ``event_timestamp``, ``label_1`` to ``label_<horizon>`` (float32, the
        target so many steps after the origin) and ``split``.
    """
    if spec.forecast is None:
        raise DataError(f"model {spec.name!r} is no forecast")
    spans = Spans.of(series, split=spec.split, forecast=spec.forecast)
    return pd.concat(
        [_labels_of(one, spec, spec.forecast, spans) for one in series], ignore_index=True
    )


def _labels_of(
    series: Series, spec: PipelineSpec, forecast: ForecastSpec, spans: Spans
) -> pd.DataFrame:
    target = series.values[:, -1].astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(target[1:], forecast.horizon)
    origins = series.timestamps[: len(windows)]
    span = spans.assign(origins, forecast=forecast)
    keep = (span >= 0) & np.isfinite(windows).all(axis=1)
    labels = pd.DataFrame(windows[keep], columns=label_names(spec))
    frame = with_keys(labels, entity=series.entity, timestamps=origins[keep])
    frame["split"] = _part_names(span[keep])
    return frame


def _part_names(codes: NDArray[np.integer]) -> pd.Categorical:
    return pd.Categorical(np.array(PARTS)[codes], categories=pd.Index(PARTS))


def tabular_labels(table: pd.DataFrame, spec: PipelineSpec) -> pd.DataFrame:
    """The label of every complete row, split at random with the estimator's seed.

    A row without a label, or without one of the inputs, is left out: a missing reading is never a
    label. Classes are spread over the parts in proportion. The columns are those of
    :func:`forecast_labels`, with one ``label``.

    Raises:
        DataError: There are too few complete rows, or rows of a class, for each part to have one.
    """
    needed = [*dict.fromkeys((*spec.columns.inputs, spec.columns.target))]
    rows = np.flatnonzero(table[needed].notna().all(axis=1))
    labels = table[spec.columns.target].to_numpy()[rows]
    shares = np.array([spec.split.train, spec.split.validation, spec.split.test])
    codes = _random_codes(labels, shares / shares.sum(), spec)
    keys = row_keys(len(table)).take(rows).reset_index(drop=True)
    return keys.assign(label=labels, split=_part_names(codes))


def _random_codes(
    labels: NDArray[Any], shares: NDArray[np.float64], spec: PipelineSpec
) -> NDArray[np.int8]:
    """The number of each row's part, (n,)."""
    classes = labels.astype(np.str_) if spec.task == "classification" else None
    _check_counts(labels, classes, shares, column=spec.columns.target)
    _, rest = train_test_split(
        np.arange(len(labels)),
        train_size=shares[0],
        random_state=spec.estimator.seed,
        stratify=classes,
    )
    validation, test = train_test_split(
        rest,
        train_size=shares[1] / (shares[1] + shares[2]),
        random_state=spec.estimator.seed,
        stratify=None if classes is None else classes[rest],
    )
    codes = np.zeros(len(labels), dtype=np.int8)
    codes[validation], codes[test] = 1, 2
    return codes


def _check_counts(
    labels: NDArray[Any],
    classes: NDArray[np.str_] | None,
    shares: NDArray[np.float64],
    *,
    column: str,
) -> None:
    """Checks that each part gets a row, and a row of each class."""
    needed = int(np.ceil(1 / shares.min() - 1e-9))  # 1 / 0.2 is a little more than 5
    problem = f"at least {needed} are needed, so that train, validation and test each get one"
    if len(labels) < needed:
        raise DataError(
            f"{len(labels)} rows have all inputs and a label in column {column!r}; {problem}"
        )
    if classes is None:
        return
    names, counts = np.unique(classes, return_counts=True)
    if counts.min() < needed:
        raise DataError(
            f"class {str(names[counts.argmin()])!r} of column {column!r} has {counts.min()} "
            f"complete rows; {problem}. Give more rows of it, or leave the class out"
        )


def complete_rows(joined: pd.DataFrame, spec: PipelineSpec) -> pd.DataFrame:
    """The rows that have all features; near gaps and at the start of a series some have none."""
    known = np.logical_and.reduce([joined[name].notna() for name in spec.feature_names])
    return joined if known.all() else joined.take(np.flatnonzero(known))


def load_training_set(frame: pd.DataFrame, spec: PipelineSpec) -> TrainingSet:
    """The training set out of its Parquet columns.

    Raises:
        DataError: A span holds no row.
    """
    parts: dict[PartName, Part] = {name: _part(frame, name, spec) for name in PARTS}
    empty = [name for name in PARTS if len(parts[name]) == 0]
    if empty:
        raise DataError(
            f"the {empty[0]} span of {spec.name!r} holds no complete row (lookback, features and "
            "labels without a gap); give more readings or another split"
        )
    return TrainingSet(feature_names=spec.feature_names, parts=parts)


def _part(frame: pd.DataFrame, name: PartName, spec: PipelineSpec) -> Part:
    rows = frame.loc[(frame["split"] == name).to_numpy()]
    labels = rows[label_names(spec)].to_numpy()
    return Part(
        entities=rows[JOIN_KEY].to_numpy(dtype=np.str_),
        timestamps=rows[EVENT_TIMESTAMP].dt.tz_localize(None).to_numpy("datetime64[us]"),
        features=rows[list(spec.feature_names)].to_numpy(np.float32),
        labels=labels if spec.forecast else _tabular_label(labels[:, 0], spec),
    )


def _tabular_label(labels: NDArray[np.generic], spec: PipelineSpec) -> NDArray[np.generic]:
    return labels.astype(np.str_ if spec.task == "classification" else np.float64)
