"""The point-in-time join through Feast, ours beside Feast's stock DuckDB store, and its growth.

Run it with ``python -m benchmarks.feast_join [--rows 1000000]``. Each join runs in a process of
its own, so that its peak memory is its own; keys are all rows of hourly features.
"""

import argparse
import itertools
import multiprocessing
import resource
import time
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import FeatureStore, RepoConfig

from ml_assets.core.names import KEYS
from ml_assets.core.spec import PipelineSpec
from ml_assets.resources.feast import FeatureStoreResource

STOCK = "stock DuckDB store"
OURS = "our ASOF store"
MIB = 2**20


@dataclass(frozen=True)
class Measurement:
    """One join.

    Attributes:
        cpu_seconds: Of all threads together; unlike ``seconds`` it hardly depends on other load.
        peak_bytes: What the process needed beyond what it held before.
        checksum: Sum of all joined features, the same for equal results.
    """

    store: str
    rows: int
    features: int
    entities: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    checksum: float

    @property
    def microseconds_per_row(self) -> float:
        """CPU time for each row."""
        return self.cpu_seconds / self.rows * 1e6

    @property
    def bytes_per_row(self) -> float:
        """Peak memory for each row."""
        return self.peak_bytes / self.rows


def measure(rows: int, *, features: int, entities: int, store: str = OURS) -> Measurement:
    """Joins ``rows`` keys of all entities together with their features, in a new process."""
    with TemporaryDirectory() as directory:
        spec = make_spec(features)
        path = write_features(
            Path(directory) / "features.parquet", spec, rows // entities, entities=entities
        )
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            return pool.submit(timed_join, spec, path, store).result()


def make_spec(features: int) -> PipelineSpec:
    """A forecast whose features are ``features`` lags."""
    return PipelineSpec.model_validate(
        {
            "name": "benchmark",
            "task": "forecast",
            "source": {"uri": "simulated://"},
            "columns": {"timestamp": "t", "entity": "e", "target": "y", "inputs": ["y"]},
            "forecast": {"horizon": 1, "lookback": features + 1},
            "features": {"columns": {"y": {"lags": list(range(features))}}},
        }
    )


def write_features(path: Path, spec: PipelineSpec, rows: int, *, entities: int) -> Path:
    """Writes ``rows`` hourly rows of random features for each entity."""
    times = np.datetime64("2016-07-01", "us") + np.arange(rows) * np.timedelta64(1, "h")
    random = np.random.default_rng(7)
    columns = {
        "entity": np.repeat([f"transformer {entity}" for entity in range(entities)], rows),
        "event_timestamp": pa.array(np.tile(times, entities)).cast(pa.timestamp("us", "UTC")),
        **{name: random.random(rows * entities, np.float32) for name in spec.feature_names},
    }
    pq.write_table(pa.table(columns), path, compression="zstd")
    return path


def timed_join(spec: PipelineSpec, path: Path, store: str) -> Measurement:
    """Measures one join after a join of one key, which loads what the first one needs."""
    keys = pd.read_parquet(path, columns=KEYS)
    FeatureStoreResource(home=str(path.parent)).apply(spec, path)
    join = {OURS: join_with_ours, STOCK: join_with_stock}[store]
    before = peak_memory()
    join(spec, path.parent, keys[:1])
    begin, cpu_begin = time.perf_counter(), time.process_time()
    joined = join(spec, path.parent, keys)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu_begin
    values = (joined[name].to_numpy() for name in spec.feature_names)
    return Measurement(
        store=store,
        rows=len(keys),
        features=len(spec.feature_names),
        entities=int(keys["entity"].nunique()),
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        peak_bytes=peak_memory() - before,
        checksum=sum(float(column.sum(dtype=np.float64)) for column in values),
    )


def join_with_ours(spec: PipelineSpec, home: Path, keys: pd.DataFrame) -> pd.DataFrame:
    """The pipeline's join, rows in the keys' order."""
    return FeatureStoreResource(home=str(home)).training_join(spec, keys)


def join_with_stock(spec: PipelineSpec, home: Path, keys: pd.DataFrame) -> pd.DataFrame:
    """The same request to Feast's DuckDB store as it comes, rows in any order."""
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="ibis")
    config = RepoConfig(
        project="ml_assets",
        provider="local",
        registry={"registry_type": "sql", "path": f"sqlite:///{home}/registry.db"},
        online_store={"type": "sqlite", "path": f"{home}/online.db"},
        offline_store={"type": "duckdb"},
        entity_key_serialization_version=3,
    )
    features = [f"{spec.feature_view}:{name}" for name in spec.feature_names]
    job = FeatureStore(config=config).get_historical_features(keys.copy(), features=features)
    return job.to_df()


def peak_memory() -> int:
    """Most bytes that this process has held so far."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def compare(rows: int) -> Iterator[Measurement]:
    """Both stores with 10 and 50 features of 100 entities."""
    for features in (10, 50):
        for store in (OURS, STOCK):
            yield measure(rows, features=features, entities=100, store=store)


def grow() -> Iterator[Measurement]:
    """Our store with 10 and with 100 entities of 17,000 hours each."""
    for entities in (10, 100):
        yield measure(17_000 * entities, features=10, entities=entities)


def report(measurements: Iterable[Measurement]) -> Iterator[str]:
    """The lines of the table, each as soon as it is measured."""
    titles = ("rows", "features", "entities", "s", "CPU s", "CPU µs/row", "MiB", "bytes/row", "sum")
    yield f"{'':<20}" + "".join(f"{title:>11}" for title in titles)
    for one in measurements:
        yield (
            f"{one.store:<20}{one.rows:>11,}{one.features:>11}{one.entities:>11}"
            f"{one.seconds:>11.2f}{one.cpu_seconds:>11.2f}{one.microseconds_per_row:>11.2f}"
            f"{one.peak_bytes / MIB:>11.0f}{one.bytes_per_row:>11.0f}{one.checksum:>11.0f}"
        )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    for line in report(itertools.chain(compare(rows), grow())):
        print(line, flush=True)


if __name__ == "__main__":
    main()
