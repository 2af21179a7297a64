"""What a check has found."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is: a problem makes doctor fail."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        level: How bad it is.
        text: What is so, in a sentence.
        mend: The command, or the line of .env, that mends it; empty if nothing is wrong.
    """

    level: Level
    text: str
    mend: str = ""


def ok(text: str) -> Finding:
    """Something that is as it should be."""
    return Finding(Level.OK, text)


def warning(text: str, mend: str) -> Finding:
    """Something that may go wrong."""
    return Finding(Level.WARNING, text, mend)


def problem(text: str, mend: str) -> Finding:
    """Something that is wrong."""
    return Finding(Level.PROBLEM, text, mend)


def in_env(name: str, value: str) -> str:
    """How a line of .env is suggested."""
    return f"in .env: {name}={value}"
