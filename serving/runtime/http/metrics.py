"""What Prometheus reads at `/metrics`, gathered from all workers.

Another metric is one line in `Metrics`, and one where it is counted.
"""

import os
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from serving.runtime.manifest import ModelManifest
from serving.runtime.predict import Answer

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 100_000)
BUCKETS = 20
OTHER = "other"
"""The route of requests that none of ours answers."""


class ValuesHistogram(Histogram):
    """A histogram that takes many values at once."""

    def observe_all(self, values: NDArray[np.float64]) -> None:
        """Counts each of the values, with one call of the library for each bucket."""
        bounds = np.array(self._upper_bounds)
        counts = np.bincount(np.searchsorted(bounds, values), minlength=len(bounds))
        for bucket in np.flatnonzero(counts).tolist():
            self._buckets[bucket].inc(int(counts[bucket]))
        self._sum.inc(float(values.sum()))


class Metrics:
    """All metrics of a service; those of the model carry its name.

    Where workers share a directory for their counts, which PROMETHEUS_MULTIPROC_DIR names when
    prometheus_client is imported, each of them tells the sum over all.
    """

    def __init__(self, manifest: ModelManifest, *, version: str) -> None:
        self._registry = CollectorRegistry()
        self._model = manifest.name
        counter = partial(Counter, registry=self._registry)
        gauge = partial(Gauge, registry=self._registry)
        histogram = partial(Histogram, registry=self._registry)
        self.requests = counter("http_requests", "Requests answered.", ["route", "status"])
        self.seconds = histogram(
            "http_request_duration_seconds",
            "Time from a request's arrival to its answer.",
            ["route"],
            buckets=SECONDS,
        )
        self.in_progress = gauge(
            "http_requests_in_progress", "Requests in hand.", multiprocess_mode="livesum"
        )
        self.rows = histogram("model_batch_rows", "Rows of a request.", ["model"], buckets=ROWS)
        self.predictions = _predictions(manifest, registry=self._registry)
        self.missing = counter("model_inputs_missing", "Readings that were not there.", ["model"])
        self.stale = counter("model_features_stale", "Features refused as too old.", ["model"])
        self.outside = counter(
            "model_inputs_outside_training",
            "Inputs below the lowest or above the highest value of their column in training.",
            ["model", "column"],
        )
        labels = ["name", "version", "data_version"]
        info = gauge(
            "model_info", "The model that answers; always 1.", labels, multiprocess_mode="max"
        )
        info.labels(manifest.name, version, manifest.data_version).set(1)
        forget_dead_workers()

    def count_request(self, route: str, *, status: int, seconds: float) -> None:
        """Counts a request that was answered."""
        self.requests.labels(route, status).inc()
        self.seconds.labels(route).observe(seconds)

    def count_refusal(self, status: int) -> None:
        """Counts what came on a connection and was no request."""
        self.requests.labels(OTHER, status).inc()

    def count_answer(self, answer: Answer) -> None:
        """Counts what the model said to a request."""
        told = answer.numbers if answer.probabilities is None else answer.numbers.max(axis=1)
        self.rows.labels(self._model).observe(len(answer.numbers))
        self.predictions.labels(self._model).observe_all(told.ravel())
        if answer.missing:
            self.missing.labels(self._model).inc(answer.missing)
        for column, count in answer.outside.items():
            self.outside.labels(self._model, column).inc(count)

    def count_unfit(self, *, stale: int, missing: int) -> None:
        """Counts features of the store because of which a request was refused."""
        if stale:
            self.stale.labels(self._model).inc(stale)
        if missing:
            self.missing.labels(self._model).inc(missing)

    def text(self) -> bytes:
        """All metrics of all workers, in the text format of Prometheus."""
        if values.ValueClass is values.MutexValue:
            return generate_latest(self._registry)
        forget_dead_workers()
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)


def _predictions(manifest: ModelManifest, *, registry: CollectorRegistry) -> ValuesHistogram:
    return ValuesHistogram(
        "model_predictions",
        "Predicted numbers; for a classification the probability of the predicted class.",
        ["model"],
        buckets=_buckets(manifest),
        registry=registry,
    )


def _buckets(manifest: ModelManifest) -> list[float]:
    """Bounds that cover the target's range in training and a quarter of it on either side."""
    if manifest.task == "classification":
        return [round(share / BUCKETS, 3) for share in range(1, BUCKETS + 1)]
    lowest, highest = manifest.input_ranges.get(manifest.columns.target, (0.0, 0.0))
    if not lowest < highest:
        return [-1e6, -1e3, -1.0, 0.0, 1.0, 1e3, 1e6]
    margin = (highest - lowest) / 4
    return [*map(float, np.linspace(lowest - margin, highest + margin, BUCKETS + 1))]


def forget_dead_workers() -> None:
    """Takes what workers had in hand when they were killed out of the counts."""
    if DIRECTORY not in os.environ:
        return
    for path in Path(os.environ[DIRECTORY]).glob("gauge_live*_*.db"):
        process = int(path.stem.rpartition("_")[2])
        if not psutil.pid_exists(process):
            with suppress(FileNotFoundError):  # another worker has just done so
                mark_process_dead(process)  # type: ignore[no-untyped-call]
