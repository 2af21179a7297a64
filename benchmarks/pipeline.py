"""The whole pipeline beside its targets: time, memory, growth and accuracy.

Run it with ``python -m benchmarks.pipeline``; all of it takes half an hour. A part:
``--only growth --sizes 1,10 --phases features,fit``. Each phase runs in a process of its own;
"CPU" is the time on all cores together, which another program on the machine changes little.
"""

import argparse
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import accuracy, feast_join, features, growth
from benchmarks.isolated import Cost, measured
from benchmarks.job import LIMIT_BYTES, LIMIT_SECONDS, run_job

MIB = 2**20
FEATURE_ROWS_PER_SECOND = 1e6
FEATURE_RATIO = 10
JOIN_ROWS = 1_000_000
JOIN_SECONDS = 10


@dataclass(frozen=True)
class Options:
    """What is measured."""

    sizes: Sequence[int]
    phases: Sequence[str]
    repeats: int


@dataclass(frozen=True)
class Line:
    """A line of the table; what was not measured, or has no target, stays empty."""

    name: str
    cost: Cost | None = None
    found: str = ""
    target: str = ""
    is_met: bool | None = None

    def __str__(self) -> str:
        """The line's columns."""
        figures = ["", "", ""]
        if self.cost is not None:
            seconds, cpu_seconds = self.cost.seconds, self.cost.cpu_seconds
            cpu = "" if math.isnan(cpu_seconds) else f"{cpu_seconds:.2f}"
            peak = f"{self.cost.peak_bytes / MIB:,.0f}" if self.cost.peak_bytes else ""
            figures = [f"{seconds:.2f}", cpu, peak]
        met = {True: "met", False: "MISSED", None: ""}[self.is_met]
        return _columns(self.name, figures, self.found, self.target, met)


def _columns(name: str, figures: Sequence[str], found: str, target: str, met: str) -> str:
    numbers = "".join(f"{figure:>9}" for figure in figures)
    return f"{name:<38}{numbers}  {found:<46} {target:<29} {met}".rstrip()


HEADING = _columns("", ["seconds", "CPU s", "MiB"], "found", "target", "")


def job_lines(_options: Options) -> Iterator[Line]:
    """The job of `make run`, and where its time goes."""
    run = run_job()
    yield Line(
        "make run, the job itself",
        run.cost,
        target=f"{LIMIT_SECONDS} s, {LIMIT_BYTES / MIB:,.0f} MiB",
        is_met=run.is_met,
    )
    for name, seconds in run.parts.items():
        yield Line(f"  {name}", found=f"{seconds:.1f} s")


def feature_lines(_options: Options) -> Iterator[Line]:
    """Feature maths on one core, beside pandas."""
    found = features.measure()
    yield Line(
        f"feature maths, {found.rows:,} rows",
        Cost(found.ours_s, math.nan, 0),
        f"{found.rows_per_second / 1e6:.2f} million rows/s, {found.ratio:.0f} times pandas",
        f"{FEATURE_ROWS_PER_SECOND / 1e6:.0f} million rows/s, {FEATURE_RATIO} times",
        is_met=found.rows_per_second >= FEATURE_ROWS_PER_SECOND and found.ratio >= FEATURE_RATIO,
    )


def join_lines(_options: Options) -> Iterator[Line]:
    """The point-in-time join through Feast."""
    found = feast_join.measure(JOIN_ROWS, features=10, entities=100)
    yield Line(
        f"join through Feast, {found.rows:,} x {found.features}",
        Cost(found.seconds, math.nan, found.peak_bytes),
        target=f"{JOIN_SECONDS} s",
        is_met=found.seconds <= JOIN_SECONDS,
    )


def growth_lines(options: Options) -> Iterator[Line]:
    """Every phase at several sizes, then how the figures per row grow."""
    measurements = []
    with TemporaryDirectory() as directory:
        grown = growth.grow(
            Path(directory), sizes=options.sizes, phases=options.phases, repeats=options.repeats
        )
        for one in grown:
            measurements.append(one)
            yield _growth_line(one)
    yield from map(_ratio_line, growth.ratios(measurements))


def _growth_line(one: growth.Growth) -> Line:
    per_row = f"{one.microseconds_per_row:.2f} µs, {one.cpu_microseconds_per_row:.2f} CPU µs"
    return Line(
        f"{one.phase}, {one.rows:,} rows", one.cost, f"{per_row}, {one.bytes_per_row:,.0f} B a row"
    )


def _ratio_line(ratio: growth.Ratio) -> Line:
    return Line(
        f"{ratio.phase}, largest over middle",
        found=f"time {ratio.seconds:.2f} (CPU {ratio.cpu_seconds:.2f}), memory {ratio.memory:.2f}",
        target=f"{growth.LIMIT} a row",
        is_met=ratio.is_met,
    )


def accuracy_lines(_options: Options) -> Iterator[Line]:
    """The shipped model on ETTh1, beside naive forecasts and published figures."""
    path = accuracy.etth1_path()
    if path is None:
        yield Line("ETTh1", found="skipped: not here; set ML_ASSETS_ETTH1 to its path")
        return
    found, cost = measured(accuracy.measure, path)
    yield Line(
        f"ETTh1, {found.origins:,} test origins",
        cost,
        f"test MSE {found.test_mse:.4f}, MAE {found.test_mae:.4f} (scaled)",
        f"MSE {accuracy.LIMIT}, aim {accuracy.AIM}",
        is_met=found.test_mse <= accuracy.LIMIT,
    )
    yield Line("  on the validation span", found=f"MSE {found.validation_mse:.4f}")
    for name, mse in {**found.baselines, **accuracy.PUBLISHED}.items():
        yield Line(f"  {name}", found=f"MSE {mse:.4f}")


SECTIONS: Mapping[str, Callable[[Options], Iterator[Line]]] = {
    "job": job_lines,
    "features": feature_lines,
    "join": join_lines,
    "growth": growth_lines,
    "accuracy": accuracy_lines,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints, each line as soon as it is there."""
    given = _parser().parse_args(arguments)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    options = Options(given.sizes, given.phases, given.repeats)
    print(HEADING, flush=True)
    for name in given.only or SECTIONS:
        for line in SECTIONS[name](options):
            print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), help="parts to measure")
    parser.add_argument("--sizes", type=_numbers, default=growth.SIZES, help="such as 1,10,100")
    parser.add_argument(
        "--phases", type=_phases, default=(), help=f"of {', '.join(growth.phase_names())}"
    )
    parser.add_argument("--repeats", type=int, default=3, help="runs whose median growth shows")
    return parser


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _phases(text: str) -> list[str]:
    names = text.split(",")
    unknown = sorted(set(names) - set(growth.phase_names()))
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown phase {unknown[0]!r}")
    return names


if __name__ == "__main__":
    main()
