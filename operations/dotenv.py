"""The file .env as Compose reads it, and as make does.

Compose: `NAME=value`, an `export` before it, quotes, which let a value go over lines, and comments
after a space. Variables are expanded, but in single quotes. Source: compose-go, dotenv/parser.go.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from operations.errors import SettingsError

_START = re.compile(r"\s*(?:#[^\n]*(?:\n|$)\s*)*")
_NAME = re.compile(r"(?:export[^\S\n]+)?([A-Za-z0-9_.\[\]-]+)[^\S\n]*([=:]|(?=\n|$|#))[^\S\n]*")
_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?:(:?-)([^}]*))?\}|(\w+))")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$$"}


@dataclass(frozen=True)
class Entry:
    """A setting of the file.

    Attributes:
        name: Its name.
        value: Its value; None if it is that of the environment.
        line: Where it begins, counted from 1.
        written: What stands after the equals sign, up to the end of its first line.
    """

    name: str
    value: str | None
    line: int
    written: str = ""

    @property
    def as_make(self) -> str:
        """What `include .env` of the Makefile takes it for, if no dollar sign is in it."""
        return re.sub(r"(?<!\\)#.*", "", self.written)


def parse(text: str, environment: Mapping[str, str] | None = None) -> list[Entry]:
    """The settings of a file, in its order.

    Args:
        text: Content of the file.
        environment: What its variables may name besides the settings before them; it comes first.

    Raises:
        SettingsError: Compose would refuse the file; the message names the line.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    known = dict(environment or {})
    entries: list[Entry] = []
    position = _end(_START, text, 0)
    while position < len(text):
        entry, position = _entry(text, position, known)
        entries.append(entry)
        if entry.value is not None and entry.name not in (environment or {}):
            known[entry.name] = entry.value
        position = _end(_START, text, position)
    return entries


def _entry(text: str, position: int, known: Mapping[str, str]) -> tuple[Entry, int]:
    line = text.count("\n", 0, position) + 1
    found = _NAME.match(text, position)
    if not found:
        shown = text[position:].split("\n", 1)[0]
        raise SettingsError(
            f".env, line {line}: {_hidden(shown)} is no setting; write it as NAME=value"
        )
    name, begin = found[1], found.end()
    written = text[begin:].split("\n", 1)[0]
    if not found[2]:
        return Entry(name, None, line), begin
    value, end = _value(text, begin, known, line)
    return Entry(name, value, line, written), end


def _value(text: str, begin: int, known: Mapping[str, str], line: int) -> tuple[str, int]:
    if text[begin : begin + 1] in {"'", '"'}:
        return _quoted(text, begin, known, line)
    end = text.find("\n", begin)
    end = len(text) if end < 0 else end
    return _expanded(text[begin:end].split(" #", 1)[0].rstrip(), known), end


def _quoted(text: str, begin: int, known: Mapping[str, str], line: int) -> tuple[str, int]:
    quote = text[begin]
    closing = re.compile(rf"(?<!\\){quote}").search(text, begin + 1)
    if not closing:
        raise SettingsError(f".env, line {line}: a quote ({quote}) is opened and never closed")
    inside = text[begin + 1 : closing.start()]
    if quote == '"':
        unescaped = re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), inside)
        inside = _expanded(unescaped, known)
    return inside, closing.end()


def _expanded(value: str, known: Mapping[str, str]) -> str:
    def replace(found: re.Match[str]) -> str:
        if found[1]:
            return "$"
        held = known.get(found[2] or found[5])
        missing = held is None or (found[3] == ":-" and not held)
        return (found[4] or "") if missing else str(held)

    return _VARIABLE.sub(replace, value)


def _hidden(line: str) -> str:
    """A line as it may be shown: what may be a password is left out."""
    name, equals, _ = line.partition("=")
    return repr(name.strip()[:40]) if equals else "what stands there"


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position
