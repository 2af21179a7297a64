"""The tables of `benchmarks.release`: what was measured beside its targets."""

import statistics
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.image_sizes import MB, ImageSize
from benchmarks.job import SERVICE
from benchmarks.peer_images import PeerBuild
from benchmarks.rounds import Round
from benchmarks.tables import Row, median_and_range, table, verdict

LIMITS = {"enqueued to started": 6.0, "service_image": 5.0}
"""Most seconds that these parts of a run may take."""
RATIO, RELEASE_SECONDS = 1.5, 45.0
"""Targets: `make train` beside the job of `make run`, and a release from the alias to the push."""
BUNDLE_SECONDS, VERIFY_SECONDS, GOLDEN_SECONDS, ROLLBACK_SECONDS = 40.0, 15.0, 60.0, 60.0
BUNDLE_MB = 150
"""Targets of the hand-over; a MB is a million bytes."""
TO_FIRST_STEP = ("command to enqueued", "enqueued to started", "started to first step")
REASON_LENGTH = 100


def training_table(rounds: Sequence[Round]) -> Iterator[str]:
    """`make train` in containers beside the job of `make run`, part by part."""
    parts = _columns([one.command.parts for one in rounds])
    local = _columns([one.job.parts for one in rounds])
    first = [sum(seconds) for seconds in zip(*(parts[name] for name in TO_FIRST_STEP), strict=True)]
    rows = [_beside("to the first step", first, local.pop("start"))]
    rows += [_alone(f"  {name}", parts.pop(name), LIMITS.get(name)) for name in TO_FIRST_STEP]
    del local[SERVICE]
    rows += [_beside(name, seconds, local.get(name, [])) for name, seconds in parts.items()]
    header = ("", "containers s", "range", "make run s", "ratio", "target")
    return table(f"make train of {rounds[0].version.name}", header, [*rows, _whole(rounds)])


def _whole(rounds: Sequence[Round]) -> Row:
    ratio = statistics.median(one.ratio for one in rounds)
    local, _ = median_and_range([one.job.training_seconds for one in rounds])
    figures = median_and_range([one.command.span.seconds for one in rounds])
    return ("all", *figures, local, f"{ratio:.2f}", f"ratio {RATIO}: {verdict(ratio, RATIO)}")


def _beside(name: str, containers: Sequence[float], local: Sequence[float]) -> Row:
    if not local:
        return _alone(name, containers)
    ratio = statistics.median(containers) / statistics.median(local)
    return (name, *median_and_range(containers), median_and_range(local)[0], f"{ratio:.2f}", "")


def _alone(name: str, seconds: Sequence[float], limit: float | None = None) -> Row:
    return (name, *median_and_range(seconds), "", "", _target(seconds, limit))


def release_table(rounds: Sequence[Round]) -> Iterator[str]:
    """From the alias to the pushed image, part by part."""
    rows: list[Row] = []
    for name, seconds in _columns([one.release_parts for one in rounds]).items():
        figures = median_and_range(seconds, digits=2)
        rows.append((name, *figures, _target(seconds, LIMITS.get(name))))
        if name == "parity":
            rows += _proof(rounds)
    total = [one.release_seconds for one in rounds]
    rows.append(("all", *median_and_range(total, digits=2), _target(total, RELEASE_SECONDS)))
    title = f"release of {rounds[0].version.name}, alias moved to image pushed and proved"
    return table(title, ("", "seconds", "range", "target"), rows)


def handover_table(rounds: Sequence[Round]) -> Iterator[str]:
    """What a customer gets: the bundle, its check, and the way back to the release before."""
    bundles = [one.release.steps["bundle"].seconds for one in rounds]
    size = max(one.handover.bytes for one in rounds) / MB
    rows: list[Row] = [_handover("bundle, from the proof", bundles, BUNDLE_SECONDS)]
    verify = [one.handover.verify_seconds for one in rounds]
    rows.append(_handover("verify.sh", verify, VERIFY_SECONDS))
    golden = [one.handover.golden_seconds for one in rounds]
    rows.append(_handover("verify.sh --golden", golden, GOLDEN_SECONDS))
    if back := [one.rollback for one in rounds if one.rollback is not None]:
        rows.append(_handover("rollback, the whole command", back, ROLLBACK_SECONDS))
    met = f"{BUNDLE_MB} MB: {verdict(size, BUNDLE_MB)}"
    rows.append(("bundle, the largest, MB", f"{size:.1f}", "", met))
    title = f"hand-over of {rounds[0].version.name}"
    return table(title, ("", "seconds", "range", "target"), rows)


def _handover(name: str, seconds: Sequence[float], limit: float) -> Row:
    return (name, *median_and_range(seconds, digits=2), _target(seconds, limit))


def _proof(rounds: Sequence[Round]) -> Iterator[Row]:
    figures = _columns([one.release.figures["parity"] for one in rounds])
    for name in ("seconds to ready", "requests per second"):
        yield (f"  {name}", *median_and_range(figures[name]), "")


def peer_table(builds: Mapping[str, Sequence[PeerBuild]]) -> Iterator[str]:
    """Builds by their builder: the first one, and one of the next version where there is one."""
    header = ("", "first build s", "next version s", "MB on top", "of what, or why not")
    return table("a service image", header, [_peer(*one) for one in builds.items()])


def _peer(name: str, builds: Sequence[PeerBuild]) -> Row:
    first, last = builds[0], builds[-1]
    later = f"{last.seconds:.1f}" if len(builds) > 1 and not last.failure else ""
    if first.failure:
        return (name, f"failed, {first.seconds:.1f}", "", "", first.failure[:REASON_LENGTH])
    on_top = "" if first.bytes_on_top is None else f"{first.bytes_on_top / MB:.1f}"
    return (name, f"{first.seconds:.1f}", later, on_top, first.base)


def size_table(images: Sequence[ImageSize]) -> Iterator[str]:
    """Sizes on top of the base image, beside their budgets."""
    rows: list[Row] = []
    for image in images:
        budget, met = "", ""
        if image.budget is not None:
            budget, met = f"{image.budget / MB:.0f}", verdict(image.bytes_on_top, image.budget)
        rows.append((image.name, f"{image.bytes_on_top / MB:.1f}", budget, met))
    return table("sizes on top of the base image", ("", "MB", "budget", ""), rows)


def _columns(rows: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """The values of all rows by their name."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def _target(seconds: Sequence[float], limit: float | None) -> str:
    return "" if limit is None else f"{limit:g} s: {verdict(statistics.median(seconds), limit)}"
