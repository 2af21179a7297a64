"""Our service beside its peers and its limit: speed, start, memory, and how it scales.

Run it with ``python -m benchmarks.serving [--seconds 5] [--repeats 3] [--only rows]``. Every server
is started on the same model, one after another, with one worker on one core; the load generator has
another core. What servers answer is compared with the model before anything is timed. A ratio is
one of the same round, and the order changes from round to round, so that what else the machine does
meanwhile concerns all of them. Beside it stands the ratio of the CPU time of a request, which other
programs change little. How one worker is compared with two is told in `benchmarks.scaling`.
"""

import argparse
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.scaling import Scaling, measure_scaling
from benchmarks.serving_rounds import Figures, Machine, Round, measure_round
from benchmarks.serving_tables import generator_lines, own_table, process_table, speed_table
from benchmarks.subjects import Subject, forecast_subject, rows_subject
from serving.runtime.errors import MLAssetsError

ROWS, FORECAST, WORKERS = "rows", "forecast", "workers"
SUBJECTS: Mapping[str, Callable[[Path], Subject]] = {ROWS: rows_subject, FORECAST: forecast_subject}


class TooFewCoresError(MLAssetsError):
    """A server and the load would share a core."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    options = _parser().parse_args(arguments)
    cores = _cores()
    machine = Machine(cores[:1], cores[1:2], options.seconds)
    print(
        f"{options.repeats} rounds on {os.cpu_count()} cores, load average {_busy():.1f}",
        flush=True,
    )
    rounds: dict[str, list[Round]] = {name: [] for name in SUBJECTS if name in options.only}
    scalings: list[Scaling] = []
    with TemporaryDirectory() as home:
        subjects = _subjects(options.only, Path(home))
        for number in range(options.repeats):
            for name, of_model in rounds.items():
                of_model.append(dict(_told(name, subjects[name], machine, number=number)))
            if WORKERS in options.only:
                seconds = options.seconds
                scalings.append(measure_scaling(subjects[ROWS], seconds=seconds, cores=cores[:2]))
    _print(rounds, scalings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each load")
    parser.add_argument("--repeats", type=int, default=3, help="rounds whose median is shown")
    parts = (*SUBJECTS, WORKERS)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=parts,
        default=parts,
        metavar="PART",
        help=f"of {', '.join(parts)}",
    )
    return parser


def _busy() -> float:
    return os.getloadavg()[0]


def _cores() -> list[int]:
    """The cores that this process may use; none where the system can't hold processes to cores.

    Raises:
        TooFewCoresError: There is one only.
    """
    if not hasattr(os, "sched_getaffinity"):
        return []
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise TooFewCoresError("a server and the load need a core each; there is one only")
    return cores


def _subjects(wanted: Sequence[str], home: Path) -> dict[str, Subject]:
    """The models that are needed, each in a directory of its own."""
    needed = {ROWS if part == WORKERS else part for part in wanted}
    subjects = {}
    for name in sorted(needed):
        (home / name).mkdir()
        subjects[name] = SUBJECTS[name](home / name)
    return subjects


def _told(
    model: str, subject: Subject, machine: Machine, *, number: int
) -> Iterator[tuple[str, Figures]]:
    """A round, told as it goes."""
    for name, figures in measure_round(subject, machine, number=number):
        rates = ", ".join(f"{one.load.rate:,.0f}" for one in figures.timings.values())
        print(f"  {number + 1}. {model}, {name}: {rates} requests/s", flush=True)
        yield name, figures


def _print(rounds: Mapping[str, Sequence[Round]], scalings: Sequence[Scaling]) -> None:
    if rounds:
        print(*speed_table(rounds), *process_table(rounds), sep="\n")
    print(*own_table(rounds, scalings), *generator_lines(rounds), sep="\n", flush=True)


if __name__ == "__main__":
    main()
