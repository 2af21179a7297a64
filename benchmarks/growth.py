"""How time and memory of each phase grow from 1 to 10 to 100 transformers of 17,424 hours each.

The dataset is made twice, from the simulator and from CSV files, one for each transformer; the
other phases go on from the first. Each phase runs in a process of its own, after a warm-up on few
rows.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

from benchmarks.isolated import Cost, measured
from benchmarks.phases import PHASES, Place, dataset, shipped_spec
from ml_assets.components.inputs import latest_dataset
from ml_assets.core.dataset.simulator import simulate

DAYS = 726
"""Days of readings of each transformer, 17,424 hours: as long as ETTh1."""
WARM_UP_DAYS = 120
SIZES = (1, 10, 100)
CSV = "dataset_csv"
LIMIT = 1.3
"""Most that time and memory per row may grow from the middle size to the largest."""


@dataclass(frozen=True)
class Growth:
    """What one phase took at one size."""

    phase: str
    transformers: int
    rows: int
    cost: Cost

    @property
    def microseconds_per_row(self) -> float:
        """Time for each row on the clock on the wall."""
        return self.cost.seconds / self.rows * 1e6

    @property
    def cpu_microseconds_per_row(self) -> float:
        """Time for each row on all cores together."""
        return self.cost.cpu_seconds / self.rows * 1e6

    @property
    def bytes_per_row(self) -> float:
        """Peak memory for each row, beyond what the imports need."""
        return self.cost.peak_bytes / self.rows


@dataclass(frozen=True)
class Ratio:
    """Per row, the largest size over the one before it."""

    phase: str
    seconds: float
    cpu_seconds: float
    memory: float

    @property
    def is_met(self) -> bool:
        """Whether neither time nor memory grow faster than they may."""
        return max(self.seconds, self.memory) <= LIMIT


def phase_names() -> list[str]:
    """All phases in their order."""
    return [CSV, *PHASES]


def grow(
    directory: Path,
    *,
    sizes: Sequence[int] = SIZES,
    phases: Sequence[str] = (),
    repeats: int = 3,
) -> Iterator[Growth]:
    """Measures phases at each size.

    Args:
        directory: Where the states live; at 100 transformers they need 3 GB.
        sizes: Numbers of transformers.
        phases: The phases that are measured; all by default. What they need is made all the same.
        repeats: The costs are the medians of so many runs. The sizes take turns, so that what else
            the machine does meanwhile slows them all.
    """
    wanted = phases or phase_names()
    warm = _places(directory / "warm", transformers=1, days=WARM_UP_DAYS)
    places = {size: _places(directory / str(size), transformers=size) for size in sizes}
    for name in _needed(wanted):
        costs = [
            (size, measured(_work(name), places[size][name], warm_up=warm[name])[1])
            for _ in range(repeats if name in wanted else 1)
            for size in sizes
        ]
        if name in wanted:
            yield from (_growth(name, size, places[size], costs) for size in sizes)


def _needed(wanted: Sequence[str]) -> list[str]:
    """The phases that are wanted and those that they build on."""
    names = phase_names()
    last = max(names.index(name) for name in wanted)
    return [name for name in names[: last + 1] if name in wanted or name != CSV]


def _growth(
    name: str, size: int, places: Mapping[str, Place], costs: Sequence[tuple[int, Cost]]
) -> Growth:
    median = Cost.median([cost for other, cost in costs if other == size])
    return Growth(name, size, _rows(places[name]), median)


def _rows(place: Place) -> int:
    return latest_dataset(place.spec, place.storage).rows


def _places(home: Path, *, transformers: int, days: int = DAYS) -> Mapping[str, Place]:
    """The place that each phase works in; the CSV files are written."""
    files = write_csv(home / "csv", transformers=transformers, days=days)
    uri = f"simulated://transformers?entities={transformers}&days={days}&seed=7"
    simulated = Place(home / "simulated", shipped_spec(source=uri))
    read = Place(home / "read", shipped_spec(source=f"{files}/*.csv"))
    return {**dict.fromkeys(PHASES, simulated), CSV: read}


def write_csv(directory: Path, *, transformers: int, days: int) -> Path:
    """Writes the simulated readings, a file for each transformer, and returns the directory."""
    directory.mkdir(parents=True)
    for name, rows in simulate(entities=transformers, days=days).groupby("transformer", sort=False):
        table = rows.drop(columns="transformer").assign(date=rows["date"].dt.tz_localize(None))
        file = directory / f"{name}.csv"
        pa_csv.write_csv(pa.Table.from_pandas(table, preserve_index=False), str(file))
    return directory


def _work(name: str) -> Callable[[Place], None]:
    return _dataset_anew if name in {CSV, "dataset"} else PHASES[name]


def _dataset_anew(place: Place) -> None:
    """Makes the dataset as if it were the first time: a snapshot that is there isn't written."""
    for snapshot in place.home.glob("data/*/datasets/*.parquet"):
        snapshot.unlink()
    dataset(place)


def ratios(measurements: Sequence[Growth]) -> list[Ratio]:
    """Each phase's figures per row at the largest size over those at the size before it."""
    sizes = sorted({one.transformers for one in measurements})[-2:]
    found = {(one.phase, one.transformers): one for one in measurements}
    names = dict.fromkeys(one.phase for one in measurements)
    pairs = [[found[name, size] for size in sizes] for name in names] if len(sizes) > 1 else []
    return [
        Ratio(
            phase=large.phase,
            seconds=large.microseconds_per_row / middle.microseconds_per_row,
            cpu_seconds=large.cpu_microseconds_per_row / middle.cpu_microseconds_per_row,
            memory=large.bytes_per_row / middle.bytes_per_row,
        )
        for middle, large in pairs
    ]
