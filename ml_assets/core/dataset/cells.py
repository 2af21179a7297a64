"""What a cell of text may hold, and what is wrong with one that holds something else."""

import re
from datetime import datetime
from typing import Literal

Kind = Literal["number", "time", "text"]
"""What a column holds."""

MISSING = ("", "NaN", "nan", "NA", "null")
"""How a CSV file spells a missing value."""

FRACTION = "has a fraction of a second; round the timestamps to whole seconds"
"""What is wrong with a timestamp that lies between two seconds."""

_FLAGS = re.ASCII | re.IGNORECASE
_NUMBER = re.compile(r"\s*[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf(inity)?|nan)\s*", _FLAGS)
_CLOCK = r"\d\d(:\d\d(:\d\d(\.(?P<fraction>\d{1,6}))?)?)?"
_TIME = re.compile(rf"\d{{4}}-\d\d-\d\d([ T]{_CLOCK}(?P<offset>Z|[+-]\d\d(:?\d\d)?)?)?", re.ASCII)


def number_fault(cell: str) -> str:
    """Why a cell is not a number, as the end of a sentence; "" where it is one."""
    if _NUMBER.fullmatch(cell):
        return ""
    return "is not a number; write 1234.5, and leave a missing reading empty"


def time_fault(cell: str, *, offset: bool) -> str:
    """Why a cell is not a timestamp with (or without) an offset; "" where it is one."""
    match = _TIME.fullmatch(cell)
    if not match or not _is_on_the_calendar(cell):
        return "is not a timestamp; write 2016-07-01 13:00:00 or 2016-07-01T13:00:00+02:00"
    if (match["fraction"] or "").strip("0"):
        return FRACTION
    if bool(match["offset"]) != offset:
        words = ("has an offset", "first") if match["offset"] else ("has no offset", "others")
        return f"{words[0]}, unlike the {words[1]} of its column; write all with one, or none"
    return ""


def text_fault(cell: str) -> str:
    """Why a cell is not text: "" unless its bytes (see `csv_rows`) are not UTF-8."""
    if cell.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in cell):
        return ""
    return "is not UTF-8; save the file with that encoding"


def has_offset(cell: str) -> bool:
    """Whether a timestamp says how far it is from UTC."""
    match = _TIME.fullmatch(cell)
    return bool(match and match["offset"])


def _is_on_the_calendar(cell: str) -> bool:
    try:
        datetime.fromisoformat(cell)
    except ValueError:
        return False
    return True
