"""The terminal: results go to standard output; progress and errors to standard error."""

import sys

RESET, BOLD, RED, YELLOW, GREEN = "\033[0m", "\033[1m", "\033[31m", "\033[33m", "\033[32m"
CLEAR_LINE = "\r\033[K"


def say(text: str = "") -> None:
    """Prints a line of the result."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(error: Exception) -> None:
    """Prints an error as a sentence."""
    note(f"{coloured('error:', RED + BOLD, on=sys.stderr.isatty())} {error}")


def note(text: str) -> None:
    """Prints a line beside the result."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def progress(text: str) -> None:
    """Replaces the line of progress; nothing where nobody looks."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{CLEAR_LINE}{text}")
        sys.stderr.flush()


def coloured(text: str, colour: str, *, on: bool) -> str:
    """Text in a colour, where there are colours."""
    return f"{colour}{text}{RESET}" if on else text
