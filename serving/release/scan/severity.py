"""How severe an advisory is: of CVSS vectors, or in the words of its database."""

from collections.abc import Iterable
from enum import StrEnum

from cvss import CVSS2, CVSS3, CVSS4
from cvss.exceptions import CVSSError


class Severity(StrEnum):
    """The levels of CVSS, the least severe first, and what is not known."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


LEVELS = (Severity.NONE, Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL)
WORDS = {
    **{level.value: level for level in LEVELS},
    "negligible": Severity.LOW,
    "unimportant": Severity.LOW,
    "moderate": Severity.MEDIUM,
    "important": Severity.HIGH,
}
"""What databases call the levels; Debian's unimportant is kept as low."""


def of_vector(vector: str) -> Severity:
    """The level of the base score of a CVSS vector of version 2, 3 or 4; unknown if it is none."""
    vector = vector.strip()
    try:
        if vector.startswith("CVSS:4"):
            level = CVSS4(vector).severities()[0]
        elif vector.startswith("CVSS:3"):
            level = CVSS3(vector).severities()[0]
        else:
            level = CVSS2(vector).severities()[0]
    except CVSSError:
        return Severity.UNKNOWN
    return Severity(level.lower())


def of_word(word: str) -> Severity:
    """The level that a word of a database means."""
    return WORDS.get(word.strip().rstrip("*").lower(), Severity.UNKNOWN)


def worst(levels: Iterable[Severity]) -> Severity:
    """The highest of the levels that are known; unknown if none is."""
    known = [level for level in levels if level is not Severity.UNKNOWN]
    return max(known, key=LEVELS.index, default=Severity.UNKNOWN)
