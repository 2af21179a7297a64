"""The tables of `benchmarks.serving`: what was measured beside its targets."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence

from benchmarks.contestants import BARE, BENTOML, CONTESTANTS, FASTAPI, MLFLOW, OURS
from benchmarks.scaling import Scaling
from benchmarks.serving_rounds import Figures, Round, Timing
from benchmarks.tables import Row, median_and_range, table, verdict

MB = 1e6
FLOORS: Mapping[tuple[str, int], Mapping[str, float]] = {
    ("one row", 16): {MLFLOW: 15, FASTAPI: 9, BENTOML: 2, BARE: 0.6}
}
"""Least times as many requests per second as a peer's."""
LIMITS = {("1,000 rows", 1): 15.0}
"""Most milliseconds that half of our answers may take."""
READY_SECONDS, WORKER_MB, TAIL, SCALE = 3.0, 200.0, 5.0, 1.8

Rounds = Mapping[str, Sequence[Round]]
"""The rounds of each model."""
Key = tuple[str, int]


def speed_table(rounds: Rounds) -> Iterator[str]:
    """Every case and number of clients: all servers, and ours in times of each peer."""
    header = (
        "",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "CPU ms",
        "ours/peer",
        "range",
        "by CPU",
        "target",
    )
    rows: list[Row] = []
    for of_model in rounds.values():
        for key in of_model[0][OURS].timings:
            case, clients = key
            rows.append((f"{case}, {clients} client{'s' * (clients > 1)}", *[""] * 8))
            rows += [_speed(of_model, key, one.name) for one in CONTESTANTS]
    return table("the same model, one worker on one core, the load on another", header, rows)


def _speed(rounds: Sequence[Round], key: Key, name: str) -> Row:
    timings = [one[name].timings[key] for one in rounds]
    rate = statistics.median(one.load.rate for one in timings)
    half, tail = (
        statistics.median(1000 * one.load.percentile(share) for one in timings)
        for share in (50, 99)
    )
    cpu = statistics.median(one.cpu_milliseconds for one in timings)
    figures = (f"  {name}", f"{rate:,.0f}", f"{half:.2f}", f"{tail:.2f}", f"{cpu:.2f}")
    if name == OURS:
        return (*figures, "", "", "", _below(half, LIMITS.get(key), "p50 {:g} ms"))
    return (*figures, *_ratios([one[OURS].timings[key] for one in rounds], timings, key, name))


def _ratios(ours: Sequence[Timing], theirs: Sequence[Timing], key: Key, name: str) -> Row:
    """How many times a peer's requests per second ours are, and those per second of CPU time."""
    pairs = [*zip(ours, theirs, strict=True)]
    ratios = [our.load.rate / their.load.rate for our, their in pairs]
    by_cpu = statistics.median(
        their.cpu_milliseconds / our.cpu_milliseconds for our, their in pairs
    )
    floor = FLOORS.get(key, {}).get(name)
    target = _above(statistics.median(ratios), floor)
    return (*median_and_range(ratios, digits=2), f"{by_cpu:.2f}", target)


def process_table(rounds: Rounds) -> Iterator[str]:
    """Start and memory of every server; shared pages count in each process's RSS."""
    header = ("", "ready s", "CPU s", "worker RSS MB", "USS", "PSS", "all RSS", "all PSS", "target")
    rows: list[Row] = []
    for model, of_model in rounds.items():
        rows.append((model, *[""] * 8))
        rows += [_process([one[peer.name] for one in of_model], peer.name) for peer in CONTESTANTS]
    return table("processes, after the loads", header, rows)


def _process(figures: Sequence[Figures], name: str) -> Row:
    ready = statistics.median(one.ready_seconds for one in figures)
    cpu = statistics.median(one.ready_cpu_seconds for one in figures)
    held = _megabytes(figures)
    target = ""
    if name == OURS:
        told = (_below(ready, READY_SECONDS, "{:g} s"), _below(held[0], WORKER_MB, "{:g} MB"))
        target = ", ".join(told)
    return (f"  {name}", f"{ready:.1f}", f"{cpu:.1f}", *(f"{one:.0f}" for one in held), target)


def _megabytes(figures: Sequence[Figures]) -> list[float]:
    """Medians of RSS, USS and PSS of the worker, and of RSS and PSS of all processes."""
    kinds: list[Callable[[Figures], int]] = [
        lambda one: one.worker.rss,
        lambda one: one.worker.uss,
        lambda one: one.worker.pss,
        lambda one: one.all.rss,
        lambda one: one.all.pss,
    ]
    return [statistics.median(kind(one) / MB for one in figures) for kind in kinds]


def own_table(rounds: Rounds, scalings: Sequence[Scaling]) -> Iterator[str]:
    """What concerns our service alone; empty where nothing of it was measured."""
    rows = [*_tails(rounds), *_scaling(scalings)]
    return table("ours alone", ("", "median", "range", "target"), rows) if rows else iter(())


def _tails(rounds: Rounds) -> Iterator[Row]:
    for of_model in rounds.values():
        paced = [load for one in of_model if (load := one[OURS].paced)]
        case = next(iter(of_model[0][OURS].timings))[0]
        ratios = [load.percentile(99) / load.percentile(50) for load in paced]
        name = f"{case}: p99 / p50 at 80% of saturation"
        yield (name, *median_and_range(ratios), _below(statistics.median(ratios), TAIL, "{:g}"))
        for share in (50, 99):
            times = [1000 * load.percentile(share) for load in paced]
            yield (f"  p{share} ms", *median_and_range(times, digits=2), "")


def _scaling(scalings: Sequence[Scaling]) -> Iterator[Row]:
    if not scalings:
        return
    ratios = [one.ratio for one in scalings]
    name = f"two workers / one, {scalings[0].method}"
    yield (name, *median_and_range(ratios, digits=2), _above(statistics.median(ratios), SCALE))
    yield ("  requests/s of one", *median_and_range([one.one for one in scalings], digits=0), "")
    yield ("  requests/s of two", *median_and_range([one.two for one in scalings], digits=0), "")
    busiest = [100 * max(one.shares) for one in scalings]
    yield ("  % of the work on the busier one", *median_and_range(busiest, digits=0), "")


def generator_lines(rounds: Rounds) -> Iterator[str]:
    """How busy the load generator was at most: near 100% it, not the server, would be measured."""
    measured = [
        figures for of_model in rounds.values() for one in of_model for figures in one.values()
    ]
    loads = [timing.load for figures in measured for timing in figures.timings.values()]
    loads += [figures.paced for figures in measured if figures.paced]
    if loads:
        share = max(load.cpu_seconds / load.seconds for load in loads)
        yield f"the load generator computed for at most {share:.0%} of a load's time"


def _below(value: float, limit: float | None, text: str) -> str:
    return "" if limit is None else f"{text.format(limit)}: {verdict(value, limit)}"


def _above(value: float, floor: float | None) -> str:
    return "" if floor is None else f"{floor:g}: {verdict(-value, -floor)}"
