"""The report of all findings, for people and for machines."""

import json
from collections.abc import Iterator, Mapping, Sequence

from operations.doctor.findings import Finding, Level
from operations.terminal import GREEN, RED, YELLOW, coloured

Report = Mapping[str, Sequence[Finding]]
COLOURS = {Level.OK: GREEN, Level.WARNING: YELLOW, Level.PROBLEM: RED}
WIDTH = len(Level.PROBLEM)


def as_json(report: Report) -> str:
    """The findings as a list of objects."""
    return json.dumps(
        [
            {"check": name, "level": one.level, "text": one.text, "mend": one.mend}
            for name, found in report.items()
            for one in found
        ],
        indent=1,
    )


def as_text(report: Report, *, in_colour: bool) -> str:
    """A line for each finding, one below it on what mends it, and how many there are."""
    lines = [
        line
        for name, found in report.items()
        for one in found
        for line in _lines(name, one, in_colour)
    ]
    return "\n".join([*lines, _total(report)])


def _lines(check: str, finding: Finding, in_colour: bool) -> Iterator[str]:  # noqa: FBT001
    level = coloured(f"{finding.level:<{WIDTH}}", COLOURS[finding.level], on=in_colour)
    yield f"{level}  {check:<11}  {finding.text}"
    if finding.mend:
        yield f"{'':{WIDTH}}  {'':11}  -> {finding.mend}"


def _total(report: Report) -> str:
    levels = [one.level for found in report.values() for one in found]
    counted = [_counted(levels.count(one), one) for one in (Level.PROBLEM, Level.WARNING)]
    if Level.PROBLEM not in levels and Level.WARNING not in levels:
        return "All is well."
    return f"{' and '.join(counted)}; what stands after the arrow mends it."


def _counted(number: int, level: Level) -> str:
    return f"{number} {level}{'' if number == 1 else 's'}"
